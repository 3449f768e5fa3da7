"""Detection heads: yolo, gaussian_yolo, region, detection. Their arithmetic is for who decodes them, and left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.darknet.translation import Head, Value, image_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Translation

Anchors = tuple[tuple[float, float], ...]
_UNSET = (0.5, 0.5)

YOLO: dict[str, Any] = {"scale_x_y": 1.0, "new_coords": 0, "nms_kind": "", "beta_nms": 0.6}
REGION: dict[str, Any] = {"softmax": 0, "background": 0, "tree": "", "map": ""}
DETECTION: dict[str, Any] = {"softmax": 0, "sqrt": 0}
"""What decoding goes by beside boxes, classes and anchors, and Darknet's defaults."""
_SAID = ("mask", "num", "classes", "coords")


def yolo(t: Translation, section: Section, before: Value) -> Value:
    """A YOLOv3 head: channels anchor by anchor, x y w h objectness classes."""
    return _masked(t, section, before, 4)


def gaussian_yolo(t: Translation, section: Section, before: Value) -> Value:
    """AlexeyAB's Gaussian head: x y w h each with its deviation."""
    return _masked(t, section, before, 8)


def _masked(t: Translation, section: Section, before: Value, per_box: int) -> Value:
    channels, _, _ = image_of(section, before)
    total, classes = section.integer("num", 1, least=1), section.integer("classes", 20, least=0)
    mask: Sequence[int] = section.integers("mask")
    boxes = len(mask) or total
    _check_channels(
        section, channels, boxes, (per_box + 1, classes), f"{boxes} anchors{' of the mask' if mask else ''}"
    )
    given = _anchors(t, section, total)
    for each in mask:
        # A real file has num=16, 20 anchors and a mask up to 19, where Darknet reads what lies behind its 16.
        if not 0 <= each < max(total, len(given)):
            last = max(total, len(given)) - 1
            raise section.error(f"mask must name anchors 0 to {last}, got {each}; name one that there is", "mask")
    mask = mask or range(total)
    options = _options(section, YOLO)
    anchors = tuple(given[each] if each < len(given) else _UNSET for each in mask)
    _keep(t, section, before, classes, per_box, boxes, anchors, mask, options)
    return before


def region(t: Translation, section: Section, before: Value) -> Value:
    """A YOLOv2 head."""
    channels, _, _ = image_of(section, before)
    number, classes = section.integer("num", 1, least=1), section.integer("classes", 20, least=0)
    coords = section.integer("coords", 4, least=0)
    _check_channels(section, channels, number, (coords + 1, classes), f"num={number} anchors")
    given = _anchors(t, section, number)[:number]
    anchors = (*given, *(_UNSET,) * (number - len(given)))
    options = _options(section, REGION)
    _keep(t, section, before, classes, coords, number, anchors, range(number), options)
    return before


def detection(t: Translation, section: Section, before: Value) -> Value:
    """A YOLOv1 head: flat values, classes of each cell, then objectness, then boxes."""
    side, number = section.integer("side", 7, least=1), section.integer("num", 1, least=1)
    classes, coords = section.integer("classes", 1, least=0), section.integer("coords", 1, least=0)
    wanted = side * side * (number * (1 + coords) + classes)
    if before.outputs != wanted:
        raise section.error(
            f"reads side^2 (num (1 + coords) + classes) = {side}^2 x ({number} x {1 + coords} + {classes}) = {wanted} "
            f"values, got {before.outputs}; give the layer before {wanted} outputs"
            f"{_or_classes(before.outputs, side * side, number * (1 + coords))}", "classes",
        )  # fmt: skip
    options = {"side": side, **_options(section, DETECTION)}
    _keep(t, section, before, classes, coords, number, (), (), options)
    return before


def tree_head(t: Translation, section: Section, before: Value) -> Value:
    """A softmax over a tree of classes, whose file is not the network's: the scores before it are what is left."""
    tree = section.word("tree")
    t.note(
        f"the softmax over the tree {tree!r} is left out: the blob {before.blob!r} holds the scores before it", "tree"
    )
    _keep(t, section, before, before.outputs, 0, 1, (), (), {"tree": tree})
    return before


def _check_channels(section: Section, channels: int, boxes: int, per_box: tuple[int, int], what: str) -> None:
    wanted = boxes * sum(per_box)
    if channels != wanted:
        raise section.error(
            f"reads {what} x {sum(per_box)} values = {wanted} channels, got {channels}; give the convolution before it "
            f"filters={wanted}{_or_classes(channels, boxes, per_box[0])}", "classes",
        )  # fmt: skip


def _or_classes(values: int, boxes: int, others: int) -> str:
    """The other way out: the classes that the values are right for, if there are such."""
    per_box, rest = divmod(values, boxes)
    return "" if rest or per_box <= others else f", or set classes={per_box - others}"


def _anchors(t: Translation, section: Section, number: int) -> Anchors:
    """The pairs that are given; Darknet takes as many as ``number``, and _UNSET for those that are missing."""
    values = section.numbers("anchors")
    if len(values) % 2:
        raise section.error(
            f"anchors are pairs of width and height, got {len(values)} numbers; add or remove one", "anchors"
        )
    if values and len(values) != 2 * number:
        t.note(f"anchors have {len(values)} numbers, and num={number} wants {2 * number}; make them agree", "anchors")
    return tuple(zip(values[::2], values[1::2], strict=True))


def _options(section: Section, defaults: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, default in defaults.items():
        if isinstance(default, str):
            options[name] = section.word(name, default)
        elif isinstance(default, float):
            options[name] = section.number(name, default)
        else:
            options[name] = section.integer(name, default)
    return options


def _keep(
    t: Translation, section: Section, before: Value, classes: int, coords: int, number: int, anchors: Anchors,
    mask: Sequence[int], options: dict[str, Any],
) -> None:  # fmt: skip
    training = {key: section.text_of(key) for key in section.options if key not in _SAID and key not in options}
    head = Head(
        t.index, section.type.lower(), section.line, before.blob, before.shape, classes, coords, number, anchors,
        tuple(mask), options, training,
    )  # fmt: skip
    t.heads.append(head)
