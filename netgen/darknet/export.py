"""A Caffe network as Darknet's ``.cfg`` and ``.weights``, where Darknet can express it."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.errors import NetgenError
from netgen.files import write_file
from netgen.layers.base import count
from netgen.shapes import input_shapes, shape_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer

HEADER = struct.pack("<3iQ", 0, 2, 0, 0)


@dataclass
class Section:
    """One section to write: its keys, its runs of floats by letter in the file's order, and what it may still take."""

    type: str
    options: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    takes: frozenset[str] = frozenset()
    """Of "norm", "scale", "activation": the layers behind it that would become part of it."""

    def text(self) -> str:
        """The section as in a cfg."""
        return f"[{self.type}]\n" + "".join(f"{key}={_shown(value)}\n" for key, value in self.options.items())


class Window(NamedTuple):
    """The windows of a Pooling that no section says yet: what is cut off them decides which padding is Darknet's."""

    source: str
    pool: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    first: tuple[int, int]
    outs: tuple[int, int]


class Part(NamedTuple):
    """Some channels of a blob, that a route may take."""

    source: str
    begin: int
    end: int


class Gate(NamedTuple):
    """BNLL of a blob, or its TanH: times the blob itself it is mish."""

    source: str
    tanh: bool


class Export:
    """The sections so far, and which of them holds which blob."""

    def __init__(self, net: Graph, weights: Mapping[str, Any] | None) -> None:
        self.weights = weights
        self.sections: list[Section] = []
        self.input: Section | None = None
        self.held: dict[str, int] = {}
        """By blob the index of the Darknet layer that puts it out, -1 for the input."""
        self.later: dict[str, Window | Part | Gate] = {}
        """Blobs that become a section when they are read."""
        self.shapes: dict[str, Shape] = {}
        self.readers = Counter(name for layer in net.layers for name in layer.bottoms)
        self.notes: list[str] = []

    def begin(self, top: str, shape: Shape) -> None:
        """The section [net], for the input."""
        sizes: dict[str, Any] = {"batch": 1, "subdivisions": 1}
        if self.input is not None:
            raise NetgenError("Darknet's networks have one input")
        if len(shape) == 4:
            sizes |= {"width": shape[3], "height": shape[2], "channels": shape[1]}
        elif len(shape) == 2:
            sizes["inputs"] = shape[1]
        else:
            raise NetgenError("the input of a Darknet network is N x C x H x W, or N values")
        if shape[0] != 1:
            self.notes.append(f"input {top!r}: the batch of {shape[0]} becomes 1")
        self.input = Section("net", sizes)
        self.held[top] = -1
        self.shapes[top] = shape

    def add(self, type: str, top: str, takes: str = "", **options: Any) -> Section:
        """A new section, which puts out ``top``."""
        section = Section(type, options, takes=frozenset(takes.split()))
        self.held[top] = len(self.sections)
        self.sections.append(section)
        return section

    def index(self, blob: str) -> int:
        """The Darknet layer that puts out a blob."""
        if blob in self.later:
            from netgen.darknet.cuts import materialize

            materialize(self, blob, self.later.pop(blob))
        index = self.held[blob]
        if index < 0 and self.sections:
            raise NetgenError(f"reads the input {blob!r}, which in Darknet the first layer alone can read")
        return index

    def read(self, blob: str) -> None:
        """Make the blob the output of the last section, which is what the next one reads."""
        index = self.index(blob)
        if index != len(self.sections) - 1:
            self.add("route", blob, layers=index)

    def last(self, shaped: ShapedLayer, what: str, blob: str = "", readers: int = 1) -> Section | None:
        """The last section, if it takes this layer for a part of itself and no more read what it put out before."""
        blob, top = blob or shaped.layer.bottoms[0], shaped.layer.tops[0]
        if blob in self.later:
            self.index(blob)
        alone = blob == top or self.readers[blob] == readers
        if not alone or self.held[blob] != len(self.sections) - 1 or not self.sections:
            return None
        return self.sections[-1] if what in self.sections[-1].takes else None

    def array(self, shaped: ShapedLayer, index: int) -> Any:
        """A weight of a layer as float32; zeros to reckon with where no weights are given."""
        import numpy as np

        name, wanted = f"{shaped.layer.name}:{index}", shaped.weights[index]
        if self.weights is None:
            return np.zeros(wanted if np.prod(wanted) < 2 else 1, np.float32)
        array = self.weights.get(name)
        if array is None:
            raise NetgenError(f"its weights {name!r} are not there; give those of this network")
        if tuple(np.shape(array)) != wanted:
            shapes = f"{'x'.join(map(str, np.shape(array)))} instead of {'x'.join(map(str, wanted))}"
            raise NetgenError(f"its weights {name!r} are {shapes}; give those of this network")
        return np.asarray(array, np.float32)


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
    return tuple(export.notes)


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
    from netgen.darknet.sections import TRANSLATORS

    export = Export(net, weights)
    layers = shape_layers(net, State())
    for name, shape in input_shapes(net, {}).items():
        try:
            export.begin(name, shape)
        except NetgenError as error:
            raise NetgenError(f"input {name!r}: {error}") from None
    silenced: set[str] = set()
    for shaped in layers:
        try:
            translator = TRANSLATORS.get(shaped.layer.type)
            if translator is None:
                raise NetgenError("Darknet has no section for this type; cut the network before it")
            if not shaped.layer.tops:
                silenced.update(shaped.layer.bottoms)
            translator(export, shaped)
        except NetgenError as error:
            raise NetgenError(f"{shaped.layer}: {error}") from None
        export.shapes.update(zip(shaped.layer.tops, shaped.tops, strict=True))
    if export.input is None:
        raise NetgenError(f"net {net.name!r} has no input, and [net] says the input's sizes; add an Input layer")
    _finish(export, layers, silenced)
    return export


def _finish(export: Export, layers: Sequence[ShapedLayer], silenced: set[str]) -> None:
    """The outputs of the net that are not written yet."""
    for shaped in layers:
        for top in shaped.layer.tops:
            if not export.readers[top] and top not in silenced:
                try:
                    export.index(top)
                except NetgenError as error:
                    raise NetgenError(f"{shaped.layer}: {error}") from None
    if not export.sections:
        raise NetgenError("the net has no layer that Darknet computes; there is nothing to export")


def floats(section: Section) -> bytes:
    """The floats of one section, in the file's order."""
    order = "bwsmv" if section.type == "connected" else "bsmvw"
    runs = [section.runs[letter] for letter in order if letter in section.runs]
    return b"".join(run.astype("<f4").tobytes() for run in runs)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)
