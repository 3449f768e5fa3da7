"""``netgen detect``: the boxes that a detector finds in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.commands.common import add_source, add_weights, emit, parser_for, say
from netgen.commands.headed import add_anchors, headed, numbers
from netgen.errors import needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.mirror.detecting import Detections, Detector


def run(words: list[str]) -> int:
    """Detect, list the boxes, and draw them."""
    options = _parser().parse_intermixed_args(words)
    needed("torch", "torch", "netgen detect")
    needed("PIL", "images", "netgen detect", "pillow")
    from netgen.detection.drawing import check_ending, draw, read_names, save_picture
    from netgen.detection.images import read_pixels

    if options.output:
        check_ending(options.output)
    detector = _detector(options)
    detector.prepares()
    background = bool(detector.rows and detector.rows[2] == 0)
    names = read_names(options.names, detector.classes, background) if options.names else []
    pixels = read_pixels(options.image)
    found = detector(pixels)
    if options.output:
        save_picture(draw(pixels, found, names), options.output)
    emit(_listed(detector, found, names, options), None)
    return 0


def _parser() -> Any:
    description = (
        "Find boxes in a picture with YOLO or SSD, in PyTorch, and list them: classes and scores, then x and y of the\n"
        "centre, width and height as fractions of the picture. SRC is a network's name (yolov3), a .cfg, or a file\n"
        "that ends on a layer such as DetectionOutput; for other files of YOLO give --anchors. How the picture is\n"
        "prepared is what the network's transform_param says, or what its family was trained with, unless you say\n"
        "otherwise, and is told first."
    )
    parser = parser_for("detect SRC [key=value ...]", description, command=True)
    add_source(parser)
    add_weights(parser)
    parser.add_argument("--image", metavar="IN.jpg", required=True, help="the picture")
    parser.add_argument("-o", "--output", metavar="OUT.png", help="the picture to draw the boxes on")
    parser.add_argument("--names", metavar="FILE", help="the names of the classes, one in each line")
    parser.add_argument("--thresh", type=float, default=0.5, metavar="T", help="the least score (default 0.5)")
    parser.add_argument(
        "--nms", type=float, metavar="T", help="the most overlap (default 0.45; SSD's layer says its own)"
    )
    add_anchors(parser)
    parser.add_argument("--fork", action="store_true", help="as AlexeyAB's Darknet does it")
    parser.add_argument("--mean", metavar="A,B,C", help="what is subtracted of values up to 255, in the net's order")
    parser.add_argument("--scale", type=float, metavar="S", help="what is multiplied with after that")
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--rgb", dest="order", action="store_const", const="rgb", help="red comes first")
    order.add_argument("--bgr", dest="order", action="store_const", const="bgr", help="blue comes first")
    parser.add_argument("--resize", choices=("letterbox", "warp"), help="whether the picture keeps its proportions")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default), cuda, auto")
    parser.add_argument("--ignore-missing", action="store_true", help="pass over layers that only the net or W has")
    return parser


def _detector(options: Any) -> Detector:
    from netgen.detection.preparation import mean_of
    from netgen.mirror.detecting import Detector

    net, weights, heads, _ = headed(options)
    mean = mean_of(numbers("--mean", options.mean)) if options.mean else None
    given = {"mean": mean, "scale": options.scale, "order": options.order, "resize": options.resize}
    nms = {} if options.nms is None else {"nms": options.nms}
    detector = Detector(
        net, weights, heads=heads, thresh=options.thresh, preparation=given, fork=options.fork,
        device=options.device, ignore_missing=options.ignore_missing, **nms,
    )  # fmt: skip
    for note in detector.notes:
        say(f"note: {options.weights}: {note}")
    if detector.rows:
        _note_limits(detector, options)
    return detector


def _note_limits(detector: Detector, options: Any) -> None:
    """Tell of options that change nothing, as a layer of the network chooses the boxes."""
    from netgen.detection.heads import least_of

    assert detector.rows is not None
    layer, least = least_of(detector.net, detector.rows[0])
    if least is not None and options.thresh < least:
        say(
            f"note: {layer}: its confidence_threshold is {least:g}, below which --thresh {options.thresh:g} finds no "
            "boxes; lower it in the prototxt"
        )
    if options.fork:
        say(f"note: {layer}: --fork is for Darknet's heads, and changes nothing here; leave it out")
    if options.nms is not None:
        say(
            f"note: {layer}: it suppresses boxes by its own nms_threshold, and --nms changes nothing; set it in the "
            "prototxt"
        )


def _source(detector: Detector, options: Any) -> str:
    """Which layer says how pictures are prepared, where one does and is heard."""
    from netgen.detection.preparation import told_by

    layer = told_by(detector.net)
    asked = options.mean is not None and options.scale is not None
    return "" if layer is None or asked else f", as layer {layer.name!r} says"


def _listed(detector: Detector, found: Detections, names: Sequence[str], options: Any) -> str:
    from netgen.detection.drawing import described

    height, width = detector.size
    lines = [f"prepared: {detector.prepares()}, {width} x {height}{_source(detector, options)}"]
    for row, (x, y, w, h) in enumerate(found.boxes.tolist()):
        lines.append(f"{described(found, row, names)}: {x:.4f} {y:.4f} {w:.4f} {h:.4f}")
    lines.append(f"{len(found)} box{'' if len(found) == 1 else 'es'}")
    return "\n".join(lines) + "\n"
