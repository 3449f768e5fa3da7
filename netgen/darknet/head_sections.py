"""Detection heads as the sections behind the layers that they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.darknet.heads import DETECTION, REGION, YOLO
from netgen.darknet.outgoing import Export, Section, sizes_of
from netgen.darknet.translation import Head
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer

Anchors = Sequence[tuple[float, float]]
_NAMES = {"gaussian_yolo": "Gaussian_yolo"}
_MASKED = ("yolo", "gaussian_yolo")


def place_heads(
    heads: Sequence[Head], layers: Sequence[ShapedLayer], last: Mapping[str, str], width: int
) -> dict[str, list[Head]]:
    """The heads by the blobs that they read, where each name stands for the ``last`` blob of it.

    Where none are given, they are those of the layers that decode (``DECODERS``), for an input of this width. Raises
    NetgenError for a head of another network.
    """
    if not heads:
        decoders = [shaped for shaped in layers if shaped.layer.type in DECODERS]
        heads = [head for shaped in decoders for head in DECODERS[shaped.layer.type](shaped, width)]
    blobs = {top for shaped in layers for top in shaped.layer.tops}
    placed: dict[str, list[Head]] = {}
    for head in heads:
        blob = last.get(head.blob, head.blob)
        if blob not in blobs:
            raise NetgenError(
                f"the {head.type} head of {head.blob!r}: the net has no such blob; give the heads of this net"
            )
        placed.setdefault(blob, []).append(head)
    return placed


def write_heads(export: Export, blob: str, heads: Sequence[Head], among: Sequence[Head]) -> None:
    """Write the sections of the heads of one blob, ``among`` all of the network."""
    for head in heads:
        export.read(blob, flat=True)
        sizes = export.sizes[-1]
        # Another name: who reads the blob reads what is before the head.
        export.sections.append(Section(_NAMES.get(head.type, head.type), _options(head, among)))
        export.sizes.append(sizes)


def _options(head: Head, among: Sequence[Head]) -> dict[str, Any]:
    """The keys of a head's section."""
    defaults: Mapping[str, Any] = {**REGION, **DETECTION}
    keys: dict[str, Any] = {"groups": 1}
    if head.type in _MASKED:
        pool, mask = _numbered(head, among)
        defaults = YOLO
        keys = {"mask": mask, "anchors": _flat(pool), "classes": head.classes, "num": len(pool)}
    elif head.type != "softmax":
        keys = {"anchors": _flat(head.anchors)} if head.anchors else {}
        keys |= {"classes": head.classes, "coords": head.coords, "num": head.num}
    keys |= {key: value for key, value in head.options.items() if value != defaults.get(key)}
    first = {"bias_match": 1} if head.type == "region" else {}
    return {**keys, **first, **{key: value for key, value in head.training.items() if key != "anchors"}}


def _numbered(head: Head, among: Sequence[Head]) -> tuple[Anchors, Sequence[int]]:
    """The anchors of all heads of one type and the numbers of this one's; its own alone where all leave gaps."""
    pool: dict[int, tuple[float, float]] = {}
    for each in (each for each in among if each.type == head.type):
        words = [float(word) for word in each.training.get("anchors", "").split(",") if word]
        told = [*zip(each.mask, each.anchors, strict=True), *enumerate(_pairs(words))]
        if any(pool.setdefault(number, anchor) != anchor for number, anchor in told):
            return head.anchors, list(range(head.num))
    if sorted(pool) != list(range(len(pool))):
        return head.anchors, list(range(head.num))
    return [pool[number] for number in range(len(pool))], head.mask


def _flat(anchors: Anchors) -> list[float]:
    return [float(side) for anchor in anchors for side in anchor]


# Layers of forks that decode


def _of_yolo2(shaped: ShapedLayer, _: int) -> list[Head]:
    fields = shaped.kind.fields
    anchors = _pairs(fields["biases"])[: fields["num_box"]]
    options, classes = {**REGION, "softmax": 1}, fields["num_classes"]
    bottoms = list(zip(shaped.layer.bottoms, shaped.bottoms, strict=True))
    # The second may be an image, which older releases take the sizes of.
    heads = [*bottoms[:1], *(each for each in bottoms[1:2] if each[1][1:2] == (len(anchors) * (5 + classes),))]
    return [_head("region", blob, shape, classes, anchors, range(len(anchors)), options) for blob, shape in heads]


def _of_yolo3(shaped: ShapedLayer, width: int) -> list[Head]:
    """Biases are of an input as wide as ``anchors_scale`` times the head."""
    fields = shaped.kind.fields
    pairs, step = _pairs(fields["biases"]), len(fields["mask"]) // len(shaped.bottoms)
    heads = []
    for i, (blob, shape) in enumerate(zip(shaped.layer.bottoms, shaped.bottoms, strict=True)):
        mask = fields["mask"][i * step : i * step + fields["num_box"]]
        if fields["gaussian_box"] or len(mask) != fields["num_box"] or max(mask, default=-1) >= len(pairs):
            raise NetgenError(f"{shaped.layer}: its mask and biases make no [yolo]; give the heads by anchors")
        by = width / (shape[3] * fields["anchors_scale"][i])
        anchors = [(pairs[number][0] * by, pairs[number][1] * by) for number in mask]
        heads.append(_head("yolo", blob, shape, fields["num_classes"], anchors, mask, YOLO))
    return heads


def _head(
    kind: str, blob: str, shape: Shape, classes: int, anchors: Anchors, mask: Sequence[int], options: dict[str, Any]
) -> Head:
    return Head(0, kind, 0, blob, sizes_of(shape), classes, 4, len(anchors), tuple(anchors), tuple(mask), options)


def _pairs(values: Sequence[float]) -> Anchors:
    return list(zip(values[::2], values[1::2], strict=False))


DECODERS: dict[str, Callable[[ShapedLayer, int], list[Head]]] = {
    "YoloDetectionOutput": _of_yolo2,
    "Yolov3DetectionOutput": _of_yolo3,
}
"""The types that decode YOLO's outputs, which are sections behind these in Darknet, and how they tell of them."""
