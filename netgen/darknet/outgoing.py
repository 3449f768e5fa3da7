"""A network on its way to Darknet: the sections so far, and which of them puts out which blob."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.errors import NetgenError
from netgen.layers.base import text

if TYPE_CHECKING:
    from netgen.darknet.translation import Image
    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer


_CUTTERS = ("Crop", "Slice", "Silence")


@dataclass
class Section:
    """One section to write: its keys, its runs of floats by letter in the file's order, and what it may still take."""

    type: str
    options: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    takes: frozenset[str] = frozenset()
    """Of "norm", "scale", "activation", "blur": the layers behind it that would become part of it."""
    names: list[str] = field(default_factory=list)
    """What Caffe calls its weights, for sharing them; "" for those without a name."""

    def named(self, shaped: ShapedLayer) -> None:
        """Take the names of a layer's weights."""
        specs = shaped.layer.params.get("param", ())
        self.names += [specs[i].get("name", "") if i < len(specs) else "" for i in range(len(shaped.weights))]

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


class Signs(NamedTuple):
    """1 where a blob is positive, else -1, which convolutions with xnor=1 read; behind the Threshold not yet whole."""

    source: str
    whole: bool


class Export:
    """The sections so far, and which of them holds which blob. Each top has a name of its own (``single_tops``)."""

    def __init__(self, layers: Sequence[ShapedLayer], weights: Mapping[str, Any] | None) -> None:
        self.weights = weights
        self.sections: list[Section] = []
        self.sizes: list[Image | None] = []
        """By section the channels, height and width that Darknet has its output in, None where it has none."""
        self.input: Section | None = None
        self.input_sizes: Image | None = None
        self.held: dict[str, int] = {}
        """By blob the index of the Darknet layer that puts it out, -1 for the input."""
        self.later: dict[str, Window | Part | Signs] = {}
        """Blobs that become a section when they are read."""
        self.shapes: dict[str, Shape] = {}
        for shaped in layers:
            self.shapes.update(zip(shaped.layer.tops, shaped.tops, strict=True))
        self.readers = Counter(name for shaped in layers for name in shaped.layer.bottoms)
        self.cut = {name for shaped in layers if shaped.layer.type in _CUTTERS for name in shaped.layer.bottoms[:1]}
        """The blobs of which something is cut off."""
        self._notes: dict[str, list[str]] = {}

    def note(self, where: object, rule: str) -> None:
        """Remark on a layer; what is true of several is told once."""
        self._notes.setdefault(rule, []).append(str(where))

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks, each with the first layer that it is true of."""
        return tuple(
            f"{places[0]}{f' and {len(places) - 1} more' if places[1:] else ''}: {rule}"
            for rule, places in self._notes.items()
        )

    def begin(self, top: str, shape: Shape) -> None:
        """The section [net], for the input."""
        sizes: dict[str, Any] = {"batch": 1, "subdivisions": 1}
        if self.input is not None:
            raise NetgenError("Darknet's networks have one input, and this is another; remove it and what reads it")
        if len(shape) == 4:
            sizes |= {"width": shape[3], "height": shape[2], "channels": shape[1]}
        elif len(shape) == 2:
            sizes["inputs"] = shape[1]
        else:
            raise NetgenError(f"the input of a Darknet network is N x C x H x W, or N x C, got {text(shape)}")
        if shape[0] != 1:
            self.note(f"input {top!r}", f"the batch of {shape[0]} becomes 1")
        self.input, self.input_sizes = Section("net", sizes), sizes_of(shape)
        self.held[top] = -1
        self.shapes[top] = shape
        if self.readers[top] > 1:
            self._pass_on(top)

    def _pass_on(self, top: str) -> None:
        """Put a layer behind the input, which the first layer alone can read, so that all can."""
        self.add("activation", top, activation="linear")

    def add(self, type: str, top: str, takes: str = "", **options: Any) -> Section:
        """A new section, which puts out ``top`` with its sizes."""
        section = Section(type, options, takes=frozenset(takes.split()))
        self.held[top] = len(self.sections)
        self.sections.append(section)
        self.sizes.append(sizes_of(self.shapes[top]))
        return section

    def index(self, blob: str, *, flat: bool = False) -> int:
        """The Darknet layer that puts out a blob, which has the same sizes there, unless ``flat`` values will do."""
        if blob in self.later:
            from netgen.darknet.cuts import materialize

            materialize(self, blob, self.later.pop(blob))
        index = self.held[blob]
        if index < 0 and self.sections:
            raise NetgenError(f"reads the input {blob!r}, which in Darknet the first layer alone can read")
        if not flat and not self.fits(blob):
            there, here = self.sizes_at(index), text(self.shapes[blob])
            found = "without sizes" if there is None else f"as {text(there)}"
            raise NetgenError(
                f"reads {blob!r} as {here}, and Darknet, which gives values no other sizes, has it {found}; cut the "
                "network before it"
            )
        return index

    def fits(self, blob: str) -> bool:
        """Whether Darknet has the blob in Caffe's sizes."""
        return self.sizes_at(self.held[blob]) == sizes_of(self.shapes[blob])

    def sizes_at(self, index: int) -> Image | None:
        """The sizes that Darknet has of a section's output, or of the input."""
        return self.input_sizes if index < 0 else self.sizes[index]

    def read(self, blob: str, *, flat: bool = False) -> None:
        """Make the blob the output of the last section, which is what the next one reads."""
        index = self.index(blob, flat=flat)
        if index != len(self.sections) - 1:
            self.add("route", blob, layers=index)
            self.sizes[-1] = self.sizes[index]

    def view(self, top: str, blob: str, tops: Sequence[str]) -> None:
        """Let ``top``, one of the ``tops``, be another name for the values of a blob, maybe in other sizes."""
        if len(tops) > 1 and self.held.get(blob) == -1 and not self.sections:
            self._pass_on(blob)
        index = self.held[top] = self.index(blob, flat=True)
        if index >= 0 and (self.readers[blob] > 1 or len(tops) > 1):
            self.sections[index].takes = frozenset()

    def last(self, blob: str, what: str, readers: int = 1) -> Section | None:
        """The last section, if it puts out the blob, takes such a layer for a part of itself, and no more read it."""
        if blob in self.later:
            self.index(blob, flat=True)
        if not self.sections or self.readers[blob] != readers or self.held[blob] != len(self.sections) - 1:
            return None
        if what != "activation" and not self.fits(blob):
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


def sizes_of(shape: Shape) -> Image | None:
    """Channels, height and width of a blob, 1 for those that it lacks; None for one of more axes."""
    if not 1 < len(shape) <= 4:
        return None
    channels, height, width = (*shape[1:], 1, 1)[:3]
    return channels, height, width


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_shown, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)
