"""A Caffe network as Darknet's ``.cfg`` and ``.weights``, where Darknet can express it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.darknet.head_sections import DECODERS, place_heads, write_heads
from netgen.darknet.load import Darknet
from netgen.darknet.outgoing import Export, Section
from netgen.darknet.versions import single_tops
from netgen.darknet.weights import header_of
from netgen.errors import NetgenError
from netgen.files import write_file
from netgen.layers.base import count
from netgen.shapes import given_shapes, input_shapes, shape_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.darknet.translation import Head
    from netgen.graph import Graph
    from netgen.shapes import ShapedLayer


def export_darknet(
    net: Graph | Darknet,
    prefix: str | os.PathLike[str],
    weights: Mapping[str, Any] | None = None,
    *,
    heads: Sequence[Head] = (),
) -> tuple[str, ...]:
    """Write ``PREFIX.cfg``, and with weights by "layer:index" ``PREFIX.weights``; returns remarks.

    The files are for AlexeyAB's Darknet, whose batch norm adds 1e-5 to the variance as Caffe does; other eps become
    part of the variance. ``heads`` (``netgen.heads``) are the [yolo] or [region] sections behind the net's outputs; a
    layer of forks that decodes these (Yolov3DetectionOutput) tells them, too, and what ``load_darknet`` gives brings
    them with it, and its weights with their header. Raises NetgenError naming the layer that Darknet cannot express.
    """
    header = None
    if isinstance(net, Darknet):
        weights, heads, header = weights or net.weights or None, heads or net.heads, net.header
        net = net.net
    export = exported(net, weights, heads)
    name = os.fspath(prefix)
    assert export.input is not None
    text = "\n".join(section.text() for section in (export.input, *export.sections))
    _check(export, text, f"{name}.cfg")
    if weights is not None:
        data = b"".join(floats(section) for section in export.sections)
        write_file(f"{name}.weights", header_of(header) + data)
    write_file(f"{name}.cfg", text)
    return export.notes


def _check(export: Export, text: str, path: str) -> None:
    """Read the cfg again: Darknet must take it, and have as many values in each blob as Caffe."""
    from netgen.darknet.load import translate

    try:
        values = translate(text, path)[0].values
    except NetgenError as error:
        raise NetgenError(f"Darknet would refuse the network: {error}") from None
    for blob, index in export.held.items():
        wanted = count(export.shapes[blob], 1)
        if index >= 0 and values[index].outputs != wanted:
            raise NetgenError(
                f"blob {blob!r}: Darknet would have {values[index].outputs} values, and Caffe has {wanted}"
            )


def exported(net: Graph, weights: Mapping[str, Any] | None, heads: Sequence[Head] = ()) -> Export:
    """The sections of a network."""
    given_shapes(net, State(), {})
    inputs = input_shapes(net, {})
    layers, last = single_tops(shape_layers(net, State()), inputs)
    images = [*inputs.values(), *(shaped.tops[0] for shaped in layers if shaped.tops and not shaped.bottoms)]
    placed = place_heads(heads, layers, last, images[0][-1] if images else 0)
    among = [head for each in placed.values() for head in each]
    layers = [shaped for shaped in layers if shaped.layer.type not in DECODERS]
    export = Export(layers, weights)
    for name, shape in inputs.items():
        try:
            export.begin(name, shape)
        except NetgenError as error:
            raise NetgenError(f"input {name!r}: {error}") from None
    done = 0
    while done < len(layers):
        try:
            number = _write(export, layers, done)
            for blob in (top for shaped in layers[done : done + number] for top in shaped.layer.tops):
                write_heads(export, blob, placed.get(blob, ()), among)
        except NetgenError as error:
            way_out = "" if ";" in str(error) else "; change it, or cut the network before it"
            raise NetgenError(f"{layers[done].layer}: {error}{way_out}") from None
        done += number
    if export.input is None:
        raise NetgenError(f"net {net.name!r} has no input, and [net] says the input's sizes; add an Input layer")
    _finish(export, layers, bool(placed))
    _share(export.sections)
    return export


def _share(sections: Sequence[Section]) -> None:
    """Let convolutions whose weights bear the names of an earlier one's have these."""
    first: dict[tuple[str, ...], int] = {}
    for index, section in enumerate(sections):
        if section.type == "convolutional" and all(section.names):
            source = first.setdefault(tuple(section.names), index)
            if source != index:
                section.options["share_index"] = source
                section.runs = {}


def _write(export: Export, layers: Sequence[ShapedLayer], start: int) -> int:
    """Write the layer at ``start``, or a section that it begins; returns how many layers that are."""
    from netgen.darknet.compositions import PARTS, composed
    from netgen.darknet.sections import TRANSLATORS

    kind, before = layers[start].layer.type, len(export.sections)
    number = composed(export, layers, start)
    if number:
        _remark(export, before, layers[start])
        return number
    translator = TRANSLATORS.get(kind)
    if translator is None and not layers[start].bottoms:
        raise NetgenError("Darknet's networks begin with an image of the sizes in [net]; put an Input in its place")
    if translator is None and kind in PARTS:
        raise NetgenError(f"Darknet has this type only within {PARTS[kind]}; cut the network before it")
    if translator is None:
        raise NetgenError("Darknet has no section for this type; cut the network before it")
    translator(export, layers[start])
    _remark(export, before, layers[start])
    return 1


def _remark(export: Export, before: int, shaped: ShapedLayer) -> None:
    """Tell of a new section that AlexeyAB's Darknet, which the file is for, does not read so."""
    for section, sizes in zip(export.sections[before:], export.sizes[before:], strict=True):
        sources = section.options.get("from", ()) if section.type == "shortcut" else ()
        read = [export.sizes[index] for index in sources]
        uneven = any(each is not None and sizes is not None and each[1:] != sizes[1:] for each in read)
        if uneven or (sources and not section.options.keys().isdisjoint(("alpha", "beta"))):
            export.note(
                shaped.layer, "a [shortcut] with alpha, beta or other sizes is read so by pjreddie's Darknet alone"
            )
        if section.type == "l2norm":
            export.note(shaped.layer, "[l2norm] is read by pjreddie's Darknet alone")


def _finish(export: Export, layers: Sequence[ShapedLayer], headed: bool) -> None:
    """The outputs of the net that are not written yet, and a remark on those that may want a head."""
    for shaped in layers:
        for top in shaped.layer.tops:
            if not export.readers[top]:
                try:
                    index = export.index(top, flat=True)
                except NetgenError as error:
                    raise NetgenError(f"{shaped.layer}: {error}") from None
                if not headed and index >= 0 and _may_want_a_head(export, top, export.sections[index]):
                    export.note(f"output {top!r}", _NO_HEAD)
    if not export.sections:
        raise NetgenError("the net has no layer that Darknet computes; there is nothing to export")


_NO_HEAD = (
    "no [yolo] or [region] follows it in the cfg; if it is a detector's, give its anchors (--anchors), or the cfg that "
    "has its heads (--heads)"
)


def _may_want_a_head(export: Export, blob: str, section: Section) -> bool:
    """Whether an output is a convolution's without activation, at several places."""
    return (
        section.options.get("activation") == "linear"
        and section.type == "convolutional"
        and max(export.shapes[blob][2:], default=1) > 1
    )


def floats(section: Section) -> bytes:
    """The floats of one section, in the file's order."""
    order = "bwsmv" if section.type == "connected" else "bsmvw"
    runs = [section.runs[letter] for letter in order if letter in section.runs]
    return b"".join(run.astype("<f4").tobytes() for run in runs)
