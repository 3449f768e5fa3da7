"""What the outputs of a YOLO network are decoded by, where no cfg says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netgen.darknet import Head
from netgen.darknet.outgoing import sizes_of
from netgen.errors import NetgenError, UsageError
from netgen.fields import shown
from netgen.layers.base import count, text
from netgen.shapes import walk_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph, Layer
    from netgen.layers.base import Shape


def heads(name: str, /, **parameters: Any) -> tuple[Head, ...]:
    """The heads of a YOLO network of netgen's, built with these arguments: ``heads("yolov3_tiny", classes=20)``.

    Raises UsageError for a network that is no YOLO, and for arguments that it does not take.

    >>> [(head.blob, head.num, head.classes) for head in heads("yolov3_tiny")]
    [('layer16-conv', 3, 80), ('layer23-conv', 3, 80)]
    """
    from netgen.zoo import build, find

    given = anchors_of(find(name), parameters)
    if given is None:
        raise UsageError(f"{name}: this is no YOLO network, whose heads have anchors; give the heads of one that is")
    return heads_with(build(name, **parameters), given, region=is_region(name))


def anchors_of(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Sequence[float] | None:
    """The anchors of the network that a function of netgen's builds of these arguments; None for one without."""
    from netgen.zoo import parameters_of

    parameter = (parameters_of(function) or {}).get("anchors")
    anchors: Sequence[float] | None = parameters.get("anchors", parameter.default) if parameter else None
    return anchors


def is_region(name: str) -> bool:
    """Whether a network of netgen's ends on what Darknet's region layer reads."""
    from netgen.nets.yolo import REGION

    return name.replace("-", "_") in REGION


def heads_with(net: Graph, anchors: Sequence[float], *, region: bool = False) -> tuple[Head, ...]:
    """The heads of a network whose outputs are those of YOLO, with these anchors, widths and heights in turn.

    They are in pixels of the input, the smallest first, for as many outputs as there are, of which the coarsest has the
    last; with ``region``, YOLOv2's head with a softmax over the classes, they are in cells. The channels tell how many
    classes there are. Raises UsageError for anchors that do not fit.
    """
    pairs = list(zip(anchors[::2], anchors[1::2], strict=False))
    if not pairs or len(anchors) % 2:
        raise UsageError(f"anchors must be widths and heights in turn, an even number, got {shown(list(anchors))}")
    outputs = sorted(outputs_of(net).items(), key=lambda item: item[1][2:])
    number, rest = divmod(len(pairs), len(outputs) or 1)
    if not outputs or rest:
        raise UsageError(f"{len(pairs)} anchors must be as many for each output, got {listed(dict(outputs))}")
    made = []
    for i, (blob, shape) in enumerate(outputs):
        last = len(pairs) - i * number
        mask = range(last - number, last)
        each = tuple(pairs[place] for place in mask)
        made.append(_head(blob, shape, number, each, tuple(mask), region))
    if len({each.classes for each in made}) > 1:
        raise UsageError(
            f"{number} anchors for each output must leave one number of classes, got {listed(dict(outputs))}"
        )
    return tuple(made)


def heads_like(net: Graph, heads: Sequence[Head]) -> tuple[Head, ...]:
    """The heads of another network for the outputs of this one, in their order; the channels tell the classes.

    Raises UsageError where the outputs are not as many, or of other anchors.
    """
    outputs = outputs_of(net)
    if len(outputs) != len(heads):
        raise UsageError(f"the outputs must be as many as the heads, {len(heads)}, got {listed(outputs)}")
    made = []
    for head, (blob, shape) in zip(heads, outputs.items(), strict=True):
        places, boxes, own = count(shape, 2), head.num, head.coords + 1
        if head.type == "detection":
            places, boxes, own = head.options["side"] ** 2, 1, head.num * own
        per_box, rest = divmod(count(shape, 1), places * boxes)
        if rest or per_box <= own:
            raise UsageError(f"output {blob!r}: {text(shape)} are no boxes of the [{head.type}] with num={head.num}")
        made.append(replace(head, blob=blob, shape=sizes_of(shape), classes=per_box - own))
    return tuple(made)


def _head(
    blob: str, shape: Shape, number: int, anchors: tuple[tuple[float, float], ...], mask: tuple[int, ...], region: bool
) -> Head:
    per_box, rest = divmod(shape[1], number)
    if rest or per_box < 6 or len(shape) != 4:
        raise UsageError(
            f"output {blob!r}: must be N x {number} (5 + classes) x H x W for {number} anchors, got {text(shape)}; "
            "give the anchors of this network"
        )
    options = {"softmax": 1, "background": 0, "tree": ""} if region else {"scale_x_y": 1.0, "new_coords": 0}
    kind = "region" if region else "yolo"
    image = (shape[1], shape[2], shape[3])
    return Head(0, kind, 0, blob, image, per_box - 5, 4, number, anchors, mask, options)


def rows_of(net: Graph) -> tuple[str, int, int] | None:
    """The blob of the layer that gives rows of boxes in TEST, the number of its labels and the first of them.

    None where no layer does (``LayerType.labels``). Raises NetgenError where several do.
    """
    found = []
    for each in walk_layers(net, State("TEST", 0, ())):
        labels = each.kind.labels()
        if labels is not None:
            found.append((each.layer.tops[0], *labels))
    if len(found) > 1:
        told = ", ".join(repr(row[0]) for row in found)
        raise NetgenError(f"net {net.name!r}: one layer must give boxes, got those of {told}; keep one of them")
    return found[0] if found else None


def least_of(net: Graph, blob: str) -> tuple[Layer, float | None]:
    """The layer that gives rows of boxes in a blob, and its confidence_threshold: no box has a lower score."""
    (found,) = (each for each in walk_layers(net, State("TEST", 0, ())) if blob in each.layer.tops)
    return found.layer, found.kind.fields.get("confidence_threshold")


def outputs_of(net: Graph) -> dict[str, Shape]:
    """The blobs that no layer reads in TEST, with their shapes."""
    blobs: dict[str, Shape] = {}
    read: set[str] = set()
    for each in walk_layers(net, State("TEST", 0, ())):
        read.update(set(each.layer.bottoms) - set(each.layer.tops))
        blobs.update(zip(each.layer.tops, each.tops, strict=True))
    return {name: shape for name, shape in blobs.items() if name not in read}


def listed(outputs: dict[str, Shape]) -> str:
    """Blobs with their shapes, as errors tell them."""
    return ", ".join(f"{name!r} {text(shape)}" for name, shape in outputs.items()) or "no outputs"


def no_heads(net: Graph) -> NetgenError:
    """What is said of a network whose outputs are not known to be boxes."""
    return NetgenError(
        f"net {net.name!r}: has no layer that gives boxes (DetectionOutput, YoloDetectionOutput, "
        f"Yolov3DetectionOutput); its outputs are {listed(outputs_of(net))}; where these are YOLO's, give their anchors"
    )
