"""A Caffe network as Darknet's ``.cfg`` and ``.weights``, where Darknet can express it."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.darknet.outgoing import Export, Section
from netgen.darknet.versions import single_tops
from netgen.errors import NetgenError
from netgen.files import write_file
from netgen.layers.base import count
from netgen.shapes import input_shapes, shape_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.shapes import ShapedLayer

HEADER = struct.pack("<3iQ", 0, 2, 0, 0)


def export_darknet(
    net: Graph, prefix: str | os.PathLike[str], weights: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Write ``PREFIX.cfg``, and with weights by "layer:index" ``PREFIX.weights``; returns remarks.

    The files are for AlexeyAB's Darknet, whose batch norm adds 1e-5 to the variance as Caffe does; other eps become
    part of the variance. Heads are no part of the network: their sections are to be added. Raises NetgenError naming
    the layer that Darknet cannot express.
    """
    export = exported(net, weights)
    name = os.fspath(prefix)
    assert export.input is not None
    text = "\n".join(section.text() for section in (export.input, *export.sections))
    _check(export, text, f"{name}.cfg")
    if weights is not None:
        write_file(f"{name}.weights", HEADER + b"".join(floats(section) for section in export.sections))
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


def exported(net: Graph, weights: Mapping[str, Any] | None) -> Export:
    """The sections of a network."""
    inputs = input_shapes(net, {})
    layers, _ = single_tops(shape_layers(net, State()), inputs)
    export = Export(layers, weights)
    for name, shape in inputs.items():
        try:
            export.begin(name, shape)
        except NetgenError as error:
            raise NetgenError(f"input {name!r}: {error}") from None
    done = 0
    while done < len(layers):
        try:
            done += _write(export, layers, done)
        except NetgenError as error:
            raise NetgenError(f"{layers[done].layer}: {error}") from None
    if export.input is None:
        raise NetgenError(f"net {net.name!r} has no input, and [net] says the input's sizes; add an Input layer")
    _finish(export, layers)
    return export


def _write(export: Export, layers: Sequence[ShapedLayer], start: int) -> int:
    """Write the layer at ``start``, or a section that it begins; returns how many layers that are."""
    from netgen.darknet.compositions import PARTS, composed
    from netgen.darknet.sections import TRANSLATORS

    number = composed(export, layers, start)
    if number:
        return number
    kind = layers[start].layer.type
    translator = TRANSLATORS.get(kind)
    if translator is None and kind in PARTS:
        raise NetgenError(f"Darknet has this type only within {PARTS[kind]}, as an import writes it; write it so")
    if translator is None:
        raise NetgenError("Darknet has no section for this type; cut the network before it")
    translator(export, layers[start])
    return 1


def _finish(export: Export, layers: Sequence[ShapedLayer]) -> None:
    """The outputs of the net that are not written yet."""
    for shaped in layers:
        for top in shaped.layer.tops:
            if not export.readers[top]:
                try:
                    export.index(top, flat=True)
                except NetgenError as error:
                    raise NetgenError(f"{shaped.layer}: {error}") from None
    if not export.sections:
        raise NetgenError("the net has no layer that Darknet computes; there is nothing to export")


def floats(section: Section) -> bytes:
    """The floats of one section, in the file's order."""
    order = "bwsmv" if section.type == "connected" else "bsmvw"
    runs = [section.runs[letter] for letter in order if letter in section.runs]
    return b"".join(run.astype("<f4").tobytes() for run in runs)
