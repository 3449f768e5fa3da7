"""A network under translation: what each Darknet layer put out, and the verbs that its sections write Caffe with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.builder import Net
from netgen.graph import Fields

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.layers.base import Shape

Image = tuple[int, int, int]
Arrays = dict[str, Any]
"""numpy arrays, float32, by the letter of their run or by "layer:index"."""
Place = Callable[[Arrays, bool], Arrays]


class Value(NamedTuple):
    """What a Darknet layer puts out."""

    blob: str
    shape: Image | None
    """Channels, height and width; None where Darknet knows only the number of values."""
    outputs: int
    """The number of values of one image."""
    flat: bool = False
    """Whether the blob is N x outputs rather than N x C x H x W."""


class Stored(NamedTuple):
    """What a weights file holds of one layer."""

    runs: tuple[tuple[str, int], ...]
    """Letter and length of each run of floats, in order: b biases, s scales, m mean, v variance, w weights."""
    place: Place
    """Gives Caffe's arrays by "layer:index" for the runs by letter, and whether connected weights are transposed."""
    shares: int | None = None
    """The index of the layer whose runs it takes, and which the file holds in its stead."""


@dataclass(frozen=True, slots=True)
class Head:
    """A detection head, whose own arithmetic is left out: ``blob`` holds what it reads.

    Each of ``num`` boxes at a place has ``coords`` (8 for gaussian_yolo, each with its deviation), an objectness and
    ``classes`` channels. ``anchors`` are those of this head, width and height: for yolo and gaussian_yolo in pixels of
    the net's input, for region in cells, for detection none. ``mask`` are their numbers among all. ``options`` are the
    further keys that decoding goes by, by Darknet's names, and ``training`` all others of the section, as written, with
    the anchors of all heads. A ``softmax`` with a tree is one, too, with ``tree`` alone.
    """

    index: int
    type: str
    line: int
    blob: str
    shape: Image | None
    classes: int
    coords: int
    num: int
    anchors: tuple[tuple[float, float], ...]
    mask: tuple[int, ...]
    options: Mapping[str, Any]
    training: Mapping[str, str] = field(default_factory=dict)


class Translation:
    """The Caffe network so far, and the Darknet layers that it stands for."""

    def __init__(self, name: str, forks: bool) -> None:
        self.net = Net(name)
        self.forks = forks
        self.values: list[Value] = []
        self.heads: list[Head] = []
        self.stored: dict[int, Stored] = {}
        self.fixed: dict[str, tuple[Shape, Sequence[float]]] = {}
        """Weights that no file holds: their shape, and a value for each cell of the last two axes, or one for all."""
        self.unusual_types: dict[str, str] = {}
        """Types that no stock Caffe takes, with the section of the first layer of each."""
        self.notes: list[str] = []
        self.shared: dict[int, int] = {}
        """By index of the layers that have the weights of one, that one."""
        self.stem = self.kind = ""
        self.owned: set[str] = set()
        self._noted: set[tuple[str, str]] = set()
        self._times: dict[str, int] = {}
        self._images: dict[str, str] = {}

    def begin(self, kind: str, section: Section) -> None:
        """From here on layers belong to this section, and are named layerN-kind, where N counts sections from 1.

        The networks of the zoo have these names, too, so that weights of the one are weights of the other.
        """
        self.stem, self.kind = f"layer{self.index + 1}", kind
        self.section = section

    def named(self, suffix: str) -> str:
        """The name of this section's layer of some purpose; "" for the one that gives its result."""
        return f"{self.stem}-{suffix or self.kind}"

    @property
    def index(self) -> int:
        """The index of the Darknet layer that is translated now."""
        return len(self.values)

    def note(self, text: str, key: str = "") -> None:
        """Remark on the section of now, if it is the first of its type that this is true of."""
        if (self.section.type, text) in self._noted:
            return
        self._noted.add((self.section.type, text))
        option = self.section.options.get(key)
        line = option.line if option else self.section.line
        self.notes.append(f"{self.section.path}:{line}: [{self.section.type}] {text}")

    # Layers

    def add(self, type: str, bottoms: str | Sequence[str], suffix: str = "", **fields: Any) -> str:
        """Add a layer with a top of its own, named by the section and the suffix; returns the top."""
        name = self._free(suffix)
        self.net.layer(type, name=name, bottom=bottoms, top=name, **_given(fields))
        self.owned.add(name)
        return name

    def change(self, type: str, blob: str, suffix: str, **fields: Any) -> str:
        """Add a layer in place where the blob belongs to this section's layer alone, else one with its own top."""
        if blob not in self.owned or blob.partition("-")[0] != self.stem:
            return self.add(type, blob, suffix, **fields)
        self.net.layer(type, name=self.named(suffix), bottom=blob, in_place=True, **_given(fields))
        return blob

    def unusual(self, type: str) -> str:
        """The type, which no stock Caffe has: the notes will tell of it."""
        self.unusual_types.setdefault(type, str(self.section))
        return type

    def param(self, suffix: str, number: int) -> tuple[Fields, ...]:
        """The ParamSpecs by which Caffe's layers share their weights, if this section shares its own."""
        if self.index not in self.shared:
            return ()
        name = f"layer{self.shared[self.index] + 1}-{suffix}"
        return tuple(Fields(name=f"{name}/{i}") for i in range(number))

    def batch_norm(self, blob: str) -> tuple[str, Place]:
        """BatchNorm and Scale, in place where they may be; the blob, and how their weights come from the runs."""
        norm, scale = self.named("bn"), self.named("scale")
        blob = self.change("BatchNorm", blob, "bn", param=self.param("bn", 3))
        blob = self.change("Scale", blob, "scale", bias_term=True, param=self.param("scale", 2))
        self.fixed[f"{norm}:2"] = ((1,), (1.0,))

        def place(runs: Arrays, _: bool) -> Arrays:
            # pjreddie's batchnorm sections store no biases, and add none.
            bias = runs["b"] if "b" in runs else 0 * runs["s"]
            return {f"{norm}:0": runs["m"], f"{norm}:1": runs["v"], f"{scale}:0": runs["s"], f"{scale}:1": bias}

        return blob, place

    def reshape(self, blob: str, suffix: str, *dims: int) -> str:
        """The blob with other sizes behind the batch."""
        return self._shared(self.add("Reshape", blob, suffix, shape={"dim": (0, *dims)}))

    def split(self, blob: str, suffix: str, axis: int, points: Sequence[int]) -> list[str]:
        """The parts of a blob between the points on an axis."""
        name = self._free(suffix)
        tops = [f"{name}{i}" for i in range(len(points) + 1)]
        self.net.layer("Slice", name=name, bottom=blob, top=tops, axis=axis, slice_point=list(points))
        self.owned.update(tops)
        return tops

    def cut(self, blob: str, suffix: str, axis: int, size: int, begin: int, end: int) -> str:
        """The part of a blob from ``begin`` to ``end`` on an axis of ``size``."""
        if (begin, end) == (0, size):
            return blob
        tops = self.split(blob, suffix, axis, [point for point in (begin, end) if 0 < point < size])
        wanted = tops.pop(1 if begin else 0)
        # What nobody reads would become an output of the net.
        self.net.layer("Silence", name=f"{self.named(suffix)}/rest", bottom=tops, top=())
        return wanted

    def _free(self, suffix: str) -> str:
        """The name of a layer with this suffix, with a number where there is one already."""
        name = self.named(suffix)
        self._times[name] = times = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}_{times}"

    # Values

    def image(self, value: Value) -> str:
        """The blob of a value with 4 axes."""
        if not value.flat:
            return value.blob
        assert value.shape is not None
        if value.blob not in self._images:
            self._images[value.blob] = self.reshape(value.blob, "image", *value.shape)
        return self._images[value.blob]

    def vector(self, value: Value) -> str:
        """The blob of a value with 2 axes."""
        return value.blob if value.flat else self._shared(self.add("Flatten", value.blob, "flat"))

    def _shared(self, blob: str) -> str:
        # Caffe's Reshape and Flatten share their bottom's memory: what works in place would change both.
        self.owned.discard(blob)
        return blob


def image_of(section: Section, before: Value) -> Image:
    """The sizes of what the section reads; raises where Darknet has only a number of values."""
    if before.shape is None:
        raise section.error(f"reads an image, and the layer before gives {before.outputs} values without sizes")
    return before.shape


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: Fields(value) if isinstance(value, dict) else value for name, value in fields.items() if value != ()}
