"""What every layer type says about itself, and what the types share.

Longer than other modules, so that all that a type of one's own may say stands in one place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.graph import EMPTY, Layer
from netgen.schema import FIELDS

if TYPE_CHECKING:
    import numpy as np
    from torch.nn import Module

    Array = np.ndarray[Any, np.dtype[Any]]

    from netgen.layers.index import TypeRow

Shape = tuple[int, ...]

Number = int | Fraction
Window = Sequence[tuple[int, Number]]
SAME_PLACE: Window = ((1, 1), (1, 1))
INT_MAX = 2**31 - 1
MAX_AXES = 32  # blob.hpp, kMaxBlobAxes

_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z][a-z]*[0-9]*[a-z]*")


class AllFields:
    """``LayerType.fields``: worked out when first asked for, as half of the types never do, and kept on the layer.

    (cached_property takes a lock in Python 3.11.)
    """

    def __get__(self, layer: LayerType, owner: type[LayerType]) -> Mapping[str, Any]:
        fields = {**defaults(layer.messages[0]), **layer.given} if layer.messages else EMPTY
        vars(layer)["fields"] = fields
        return fields


class LayerType:
    """Base of all layer types: one class per type, named as Caffe's `type` string.

    The class tells what is true of the type; an instance is one layer of it, and answers for shapes and cost. Its
    methods raise NetgenError with the rule alone, as Caffe's CHECKs do: whoever walks the layers adds the layer.
    """

    messages: tuple[str, ...] = ()
    """The message fields of LayerParameter that the layer reads, the main one first."""
    bottoms: tuple[int, int | None] = (1, 1)
    """The least and most bottoms; None is any number."""
    tops: tuple[int, int | None] = (1, 1)
    """The least and most tops; None is any number. Losses need none: Caffe adds what they lack (AutoTopBlobs)."""
    same_count: bool = False
    """Whether there must be as many tops as bottoms."""
    weights: int = 0
    """The learned arrays; where a field bias_term says so, one more. 0 where that hangs on more than the fields."""
    required: tuple[str, ...] = ()
    """The fields without which Caffe refuses the layer, whatever else is given."""
    in_place: bool = False
    """Whether a top may bear its bottom's name, and people write it so."""
    refuses_in_place: bool = False
    """Whether Caffe refuses a top that bears its bottom's name."""
    verb: str = ""
    """The builder's verb, where it is not `verb_of` the type."""
    implied: Mapping[str, float] = EMPTY
    """What each entry of a repeated field of the main message is where none is given."""
    own_fields: tuple[str, ...] = ()
    """Fields of the main message that the schema lacks and the type reads all the same."""
    opaque: bool = False
    """Whether the shapes of the tops hang on what the fields do not say, so that they must be given as inputs."""
    shares_memory: bool = False
    """Whether the tops share the memory of the bottom, so that nothing is moved (Split, Reshape, Flatten)."""
    dynamic: bool = False
    """Whether the tops' shapes after a pass hang on values, so that those of ``shapes`` hold only after loading."""
    loss: bool = False
    """Whether the first top counts in the loss, with weight 1, where no loss_weight says otherwise."""
    default_fillers: Mapping[str, float] = EMPTY
    """What fills a weight whose filler field is not set, by the field's name: a constant, where it is not 0."""
    fresh_statistics: tuple[float, ...] = ()
    """The constants of new statistics, for those weights after the ones that have fillers; 0 for all others."""
    rectifies: bool = False
    """Whether it lets what is well above 0 through as it is, and holds back what is below (ReLU and its like)."""
    counted: bool = True
    """Whether macs and flops tell the whole cost; False where that hangs on values or on unknown code."""
    ours: bool = True
    """Whether the class is part of netgen: what a user's own returns is checked."""

    def __init_subclass__(cls) -> None:
        cls.ours = cls.__module__.startswith("netgen.")

    def __init__(self, layer: Layer, phase: str = "TEST") -> None:
        self.layer = layer
        self.phase = phase
        self.names_weights = "param" in layer.params and any("name" in spec for spec in layer.params["param"])
        """Whether weights have names, under which layers share them."""
        self.given: Mapping[str, Any] = layer.params.get(self.messages[0], EMPTY) if self.messages else EMPTY
        """The fields of the main message that are set; of one that the schema lacks with values read as they look."""
        if self.messages and self.messages[0] not in FIELDS["LayerParameter"]:
            self.given = {name: plain(value) for name, value in self.given.items()}

    fields = AllFields()
    """The fields given with the schema's defaults; one with neither is missing, a repeated one is ()."""

    def message(self, name: str) -> dict[str, Any]:
        """The fields of one of the further messages, with the schema's defaults."""
        return {**defaults(name), **self.layer.params.get(name, EMPTY)}

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The shapes of the tops for those of the bottoms; as many tops as the layer names."""
        raise NotImplementedError

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The shapes of the layer's blobs, in Caffe's order; statistics (BatchNorm's) are among them."""
        return []

    def source_shapes(self, given: Sequence[Shape | None]) -> list[Shape]:
        """The shapes of the tops of a layer that reads nothing, or is opaque; those of ``given`` come from outside."""
        told = [shape for shape in given if shape is not None]
        if len(told) == len(given):
            return told
        return [own if shape is None else shape for own, shape in zip(self.shapes(()), given, strict=True)]

    def fillers(self) -> tuple[str, ...]:
        """The fields of the main message that fill the weights of a new layer, in the order of the weights."""
        return ()

    def new_weights(self) -> list[Mapping[str, Any]]:
        """The FillerParameters that fill the weights of a new layer, in their order; constant 0 fills the rest."""
        fields = [self.given.get(name, {"value": self.default_fillers.get(name, 0.0)}) for name in self.fillers()]
        return [*fields, *({"value": value} for value in self.fresh_statistics)]

    def statistics(self) -> int:
        """How many of the blobs are statistics that no gradient reaches (all three of BatchNorm, the last of BN)."""
        return 0

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Multiply-adds of one forward pass in TEST, of matrix products alone; 0 for a type that has none."""
        return 0

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Single operations of one forward pass: 2 for each of the macs, and what the type's docstring counts."""
        return 2 * self.macs(bottoms, tops)

    def netscope_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """What netscope counts as multiply-adds: the macs, and more for a few elementwise types."""
        return self.macs(bottoms, tops)

    def darknet_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """What Darknet counts as multiply-adds: the macs of what it has a count for."""
        return self.macs(bottoms, tops)

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        """For height and width, the dilated kernel and the stride through which a top sees the bottoms.

        1 and 1 for what works value by value; None where a top sees the whole bottom, or not through a window.
        """
        return SAME_PLACE if self._keeps_places(bottoms, tops) else None

    def _keeps_places(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> bool:
        return all(len(shape) == 4 and shape[2:] == bottoms[0][2:] for shape in (*bottoms, *tops))

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        """A module with the layer's arithmetic, for bottoms of these shapes: tensors in, the tops (or the top) out.

        Its parameters are the layer's weights, in Caffe's order and shapes; where it is otherwise, ``caffe_blobs``
        names the attributes that hold them. ``training`` is the phase.
        """
        raise NetgenError(
            "its type has no mirror in PyTorch; give it one: a subclass of netgen.LayerType with "
            "torch(bottoms), which returns a torch.nn.Module"
        )

    def joins(self, after: LayerType, between: Shape) -> bool:
        """Whether the mirror has one module for this layer and ``after``, its top's only reader (``torch_with``)."""
        return False

    def torch_with(self, after: LayerType, bottoms: Sequence[Shape]) -> Module:
        """The module for this layer and the one that it joins."""
        raise NotImplementedError

    def affine(self, weights: Sequence[Array], bottom: Shape) -> tuple[Array, Array] | None:
        """The factor and the term of each channel (axis 1) by which alone the layer works in TEST, for its weights.

        None for a type that is no such thing; raises NetgenError with the reason where only this layer is none.
        """
        return None

    def absorbed(self, weights: Sequence[Array], factors: Array, terms: Array) -> list[Array] | None:
        """Weights, with a bias, by which the layer gives ``factors`` top + ``terms`` for each channel of its top.

        None for a type that cannot; raises NetgenError with the reason where only this layer cannot.
        """
        return None

    def summands(self) -> Sequence[int]:
        """The places of the bottoms that the layer adds up, value by value; none for a type that adds none."""
        return ()

    def labels(self) -> tuple[int, int] | None:
        """How many labels there are, and the first, of a type whose top has a row for each box that it found.

        Rows are SSD's: image, label, score and four corners. None for all other types.
        """
        return None

    def refuse(self, *names: str) -> None:
        """Raise NetgenError for a field of another Caffe that would change the shapes, and is not followed here."""
        if self.given.keys().isdisjoint(names):
            return
        for name in names:
            if name in self.given and self.given[name] != defaults(self.messages[0]).get(name):
                raise NetgenError(
                    f"the field {name!r} of other Caffes changes the shapes in a way that is not known here; remove "
                    "it, or give the layer a type of your own (netgen.register)"
                )

    @classmethod
    def row(cls, module: str) -> TypeRow:
        """What the index says of this type."""
        return cls.messages, cls.in_place, cls.required, cls.bottoms, cls.tops, cls.same_count, cls.weights, module


class SameShape(LayerType):
    """Base of the types whose top has the shape of the first bottom."""

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]]

    def per_value(self) -> int:
        """The single operations for each value of the top."""
        return 0

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return self.per_value() * count(tops[0])


def count(shape: Sequence[int], start: int = 0, end: int | None = None) -> int:
    """The number of values of a shape, or of its axes from ``start`` up to ``end``; 1 for no axes.

    >>> count((2, 3, 4)), count((2, 3, 4), 1), count(())
    (24, 12, 1)
    """
    return prod(shape[start:end])


def canonical_axis(axis: int, shape: Shape, name: str = "axis") -> int:
    """An axis counted from 0, where a negative one counts from the end (blob.hpp, CanonicalAxisIndex)."""
    if not -len(shape) <= axis < len(shape):
        raise NetgenError(
            f"{name} must lie in {-len(shape)}..{len(shape) - 1} for the bottom {text(shape)}, got {axis}"
        )
    return axis % len(shape)


def legacy_shape(shape: Shape) -> tuple[int, int, int, int]:
    """A shape as older layers see it, N C H W: 1 for an axis that it lacks (blob.hpp, LegacyShape).

    >>> legacy_shape((2, 3))
    (2, 3, 1, 1)
    """
    if len(shape) > 4:
        raise NetgenError(f"the bottom may have 4 axes at most, got {text(shape)}")
    n, c, h, w = (*shape, 1, 1, 1, 1)[:4]
    return n, c, h, w


def check_size(shape: Shape, what: str = "") -> None:
    """Raise NetgenError for a shape that Caffe's Blob::Reshape refuses: negative, over 2^31 - 1 values or 32 axes."""
    if len(shape) > MAX_AXES:
        raise NetgenError(f"{what}has {len(shape)} axes, and a blob has at most {MAX_AXES}")
    if shape and min(shape) > 0 and prod(shape) <= INT_MAX:
        return  # no part of the product is larger than the whole, where no axis is 0
    size = 1
    for dim in shape:
        if dim < 0:
            raise NetgenError(f"{what}would be {text(shape)}, and no axis may be negative")
        if size and dim > INT_MAX // size:
            raise NetgenError(f"{what}would be {text(shape)}, more than the {INT_MAX} values of a blob")
        size *= dim


def refuse_empty(shape: Shape, start: int = 0, end: int | None = None) -> None:
    """Raise NetgenError where Caffe sets up an array over some axes of the bottom, and they hold no value."""
    if not count(shape, start, end):
        axes = text(shape[start:end])
        raise NetgenError(f"the bottom has no values ({text(shape)}{'' if axes == text(shape) else f', of it {axes}'})")


def truncated(number: int, divisor: int) -> int:
    """C++'s integer division, which rounds towards 0: -1 / 2 is 0.

    >>> truncated(-1, 2), truncated(7, 2)
    (0, 3)
    """
    return -(-number // divisor) if number < 0 else number // divisor


def text(shape: Shape) -> str:
    """A shape as messages show it: ``1x3x224x224``, ``()`` for a single value without axes."""
    return "x".join(map(str, shape)) if shape else "()"


def plain(value: Any) -> Any:
    """The value that a field of a message of your own stands for: a number, flag, string or word, as it looks."""
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if value[:1] in ("'", '"'):
        return ast.literal_eval(value)
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return str(value)


_defaults: dict[str, dict[str, Any]] = {}


def defaults(name: str) -> dict[str, Any]:
    """The declared defaults of the message in a field of LayerParameter (``lrn_param``), as ``declared`` has them."""
    values = _defaults.get(name)
    if values is None:
        layer = FIELDS["LayerParameter"]
        values = _defaults[name] = declared((layer[name][3] if name in layer else "") or "")
    return values


def declared(message: str) -> dict[str, Any]:
    """The declared defaults of a message of the schema; {} for one that it lacks.

    Repeated fields are () and fields that declare no default are missing.
    """
    return {
        field: () if label == "repeated" else default
        for field, (_, label, _, _, default) in FIELDS.get(message, {}).items()
        if label == "repeated" or default is not None
    }


def verb_of(type_name: str) -> str:
    """The builder's verb of a type: snake case, acronyms and digits kept with their word.

    >>> verb_of("InnerProduct"), verb_of("HDF5Data"), verb_of("Im2col"), verb_of("LSTMUnit")
    ('inner_product', 'hdf5_data', 'im2col', 'lstm_unit')
    """
    return "_".join(_WORD.findall(type_name)).lower()
