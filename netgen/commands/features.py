"""``netgen features``: pictures of what a network's blobs hold, and of its filters."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from netgen.commands.common import add_source, add_weights, parser_for, say, source, weights_for
from netgen.commands.report import add_state_options, inputs_of
from netgen.errors import UsageError, did_you_mean, needed
from netgen.files import cannot_write
from netgen.layers.base import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from netgen.builder import Net
    from netgen.layers.base import Array
    from netgen.preprocessing import Preprocessing

_DESCRIPTION = """\
Run a network in PyTorch on an image and lay the channels of its blobs out as pictures, or the filters of a layer.

With one --blob or --weights-of, OUT is a .png; with several, or with --all, a folder. A blob holds what the last layer
in place leaves in it. The image is scaled to the input's size, or, where the file's data layer or --size says another,
to that, and its middle taken; mean and scale are as transform_param of the file says, else 0 and 1, and channels are
BGR."""


def run(words: list[str]) -> int:
    """Write the pictures that the words ask for."""
    parser = parser_for("features SRC [key=value ...]", _DESCRIPTION, command=True)
    add_source(parser)
    add_weights(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the .png or the folder to write")
    parser.add_argument("--image", metavar="IN", help="an image file")
    parser.add_argument("--blob", action="append", default=[], metavar="NAME", help="a blob; may be given again")
    parser.add_argument("--all", action="store_true", help="all blobs that can be drawn")
    parser.add_argument(
        "--weights-of", action="append", default=[], metavar="LAYER", help="a layer's filters; may be given again"
    )
    parser.add_argument("--mean", metavar="B,G,R", help="what to subtract: numbers, or a mean file (.binaryproto)")
    parser.add_argument("--scale", type=float, metavar="X", help="what to multiply with after that")
    parser.add_argument("--order", type=str.upper, choices=("BGR", "RGB"), help="of the channels (default BGR)")
    parser.add_argument("--size", metavar="H,W", help="scale to this size first, and take the middle of it")
    parser.add_argument(
        "--normalise",
        choices=("each", "all"),
        default="each",
        help="from black to white each channel (default), or all",
    )
    parser.add_argument("--gap", type=int, metavar="N", help="pixels between tiles (default: a readable number)")
    parser.add_argument("--zoom", type=int, metavar="N", help="pixels for a value (default: a readable number)")
    parser.add_argument("--ignore-missing", action="store_true", help="pass over layers that only the net or W has")
    add_state_options(parser)
    return _features(parser.parse_intermixed_args(words))


def _features(options: Namespace) -> int:
    from netgen.images import pillow

    several = _check(options)
    pillow("netgen features")
    net = source(options.source, options.parameters)
    if not options.weights_of:
        needed("torch", "torch", "netgen features")
    pictures = _filters(options, net) if options.weights_of else _blobs(options, net)
    if several:
        _make_folder(options.output)
    _write(options, pictures, several)
    return 0


def _check(options: Namespace) -> bool:
    """Whether several pictures are asked for; raises UsageError where the words do not go together."""
    blobs = bool(options.blob) or options.all
    if blobs == bool(options.weights_of):
        raise UsageError("give either --blob NAME, which may be repeated, or --all, or --weights-of LAYER")
    if options.all and options.blob:
        raise UsageError("--all: these are all blobs; leave --blob out")
    if blobs and not options.image:
        raise UsageError("--image: give the image to run the network on")
    if (options.gap or 0) < 0 or options.zoom not in (None, *range(1, 1001)):
        raise UsageError("--gap must be 0 or more, and --zoom 1 to 1000")
    several: bool = options.all or len(options.blob) + len(options.weights_of) > 1
    if not several and not options.output.lower().endswith(".png"):
        raise UsageError(f"-o: the file must be a .png, got {options.output!r}")
    return several


def _blobs(options: Namespace, net: Net) -> Iterable[tuple[str, Any]]:
    """The blobs by name, and a function that makes the picture of each."""
    from netgen.images import read_image
    from netgen.mirror import Mirror
    from netgen.mirror.running import run_with_notes
    from netgen.mosaic import blob_picture
    from netgen.preprocessing import image_input, prepared

    how = _preprocessing(options, net)
    image = read_image(options.image)
    inputs = inputs_of(options, net)
    shapes = Mirror(net, options.phase, inputs, stages=options.stage, level=options.level).inputs
    name = image_input(shapes)
    shape = (1, *shapes[name][1:]) if len(shapes) == 1 else shapes[name]
    size = _scaled(options, how, shape)
    arrays = {name: prepared(image, shape, how, size), **_zeros(shapes, name)}
    say(f"note: input {name!r}: {text(shape)}, {how}" + (f", as layer {how.layer!r} says" if how.layer else ""))
    found, notes = run_with_notes(
        net, arrays, weights_for(options.source, options.weights),
        "all" if options.all else options.blob, options.phase,
        device="cpu", ignore_missing=options.ignore_missing, stages=options.stage, level=options.level,
    )  # fmt: skip
    for note in notes:
        say(f"note: {options.weights}: {note}")
    return [(each, lambda blob=blob: blob_picture(blob, *_looks(options))) for each, blob in found.items()]


def _scaled(options: Namespace, how: Preprocessing, shape: Sequence[int]) -> tuple[int, int] | None:
    """What the image is scaled to before its middle is taken; None for the input's own size."""
    size = _size(options.size)
    if size is not None:
        return size
    where = f"note: layer {how.layer!r}"
    if how.size is not None and how.size[0] >= shape[2] and how.size[1] >= shape[3]:
        if how.size != tuple(shape[2:]):
            say(f"{where} scales images to {text(how.size)}, of which the middle is taken")
        return how.size
    if how.crop and how.size is None:
        crop = text((how.crop, how.crop))
        say(f"{where} takes the middle {crop} of images; this one is scaled to the input (--size H,W: to that before)")
    return None


def _zeros(shapes: dict[str, Any], image: str) -> dict[str, Array]:
    import numpy as np

    others = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name != image}
    for name, array in others.items():
        say(f"note: input {name!r}: {text(array.shape)}, filled with 0")
    return others


def _filters(options: Namespace, net: Net) -> Iterable[tuple[str, Any]]:
    """The layers by name, and a function that makes the picture of the filters of each."""
    from netgen.mosaic import weight_picture
    from netgen.weightfiles import load_weights
    from netgen.weights import expected_weights, key_of, match_weights

    inputs = inputs_of(options, net)
    expected = expected_weights(net, options.phase, inputs, stages=options.stage, level=options.level)
    keys = {name: key_of(name, 0) for name in options.weights_of}
    for name, key in keys.items():
        if key not in expected:
            layers = {each.name: each for each in net.layers}
            if name in layers:
                raise UsageError(f"--weights-of: {layers[name]} has no weights in phase {options.phase}")
            near = did_you_mean(name, (each.rpartition(":")[0] for each in expected))
            raise UsageError(f"--weights-of: the net has no layer {name!r}{near}")
    given = weights_for(options.source, options.weights)
    loaded = load_weights(given, expected) if isinstance(given, str) else given
    wanted = {key: expected[key] for key in keys.values()}
    weights = match_weights(wanted, {key: loaded[key] for key in wanted if key in loaded})
    normalise, gap, zoom = _looks(options)
    order = options.order or "BGR"
    return [
        (name, lambda weight=weights[key]: weight_picture(weight, normalise, order, gap, zoom))
        for name, key in keys.items()
    ]


def _looks(options: Namespace) -> tuple[str, int | None, int | None]:
    return options.normalise, options.gap, options.zoom


def _preprocessing(options: Namespace, net: Net) -> Any:
    from netgen.preprocessing import given_mean, of_network
    from netgen.wiring import State

    how = of_network(net, State(options.phase, options.level, options.stage))
    given: dict[str, Any] = {"mean": given_mean(options.mean)} if options.mean is not None else {}
    if options.scale is not None:
        given["scale"] = options.scale
    if options.order is not None:
        given["order"] = options.order
    return how._replace(**given, layer="" if {"mean", "scale"} <= given.keys() else how.layer)


def _size(word: str | None) -> tuple[int, int] | None:
    if word is None:
        return None
    found = re.fullmatch(r"(\d{1,5})[,x](\d{1,5})", word)
    if not found:
        raise UsageError(f"--size: must be H,W, as in 256,256, got {word!r}")
    return int(found[1]), int(found[2])


def _write(options: Namespace, pictures: Iterable[tuple[str, Any]], several: bool) -> None:
    from netgen.images import write_png

    for number, (name, make) in enumerate(pictures):
        try:
            pixels = make()
        except UsageError as error:
            if not options.all:
                what = "--blob" if options.blob else "--weights-of"
                raise UsageError(f"{what} {name!r}: {error}") from None
            say(f"note: blob {name!r}: {error}")
            continue
        write_png(pixels, os.path.join(options.output, _file_name(number, name)) if several else options.output)


def _file_name(number: int, name: str) -> str:
    """A file's name for a blob, which may be called anything: its number and what is harmless of its name."""
    return f"{number:03}-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:100]}.png"


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"-o: several pictures go into a folder, and {path} is a file; give another name") from None
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None
