"""What a network is: layers that read and write named blobs. Knows no layer type and no file format.

A ``Layer`` holds names, as Caffe's files do: which blob a name stands for depends on the phase (TRAIN and TEST twins
share names) and on the in-place layers before, so names become blobs in ``wiring``, phase by phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, overload


class Fields(dict[str, Any]):
    """The fields that are set in one message, by schema name; read-only.

    A scalar is an ``int``, ``float``, ``bool``, ``str`` (an enum value by name) or ``bytes``, a message is again
    ``Fields``, a repeated field is a tuple. A field that the schema lacks holds ``Literal`` scalars. Hashable, as
    everything in it is.
    """

    __slots__ = ("_hash",)
    _hash: int

    def __hash__(self) -> int:  # type: ignore[override]
        # Kept: those who look up what they know of equal layers ask again and again.
        try:
            return self._hash
        except AttributeError:
            # Of the values alone, in half the time; the same ones under other names are rare, and unequal all the same.
            self._hash = value = hash(frozenset(self.values()))
            return value

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("the fields of a layer are read-only; build the layer anew with other fields")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[type[Fields], tuple[dict[str, Any]]]:
        return Fields, (dict(self),)


EMPTY = Fields()


class Literal(str):
    """A scalar of a field that the schema lacks, spelt as in the file: ``Literal("AVE")``, ``Literal('"text"')``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Literal({str(self)!r})"


class Layer:
    """One layer: ``name``, ``type``, the names of its ``bottoms`` and ``tops``, and its other fields, ``params``.

    ``params`` follows Caffe's LayerParameter: ``{"convolution_param": {"num_output": 32}, "include": ({...},)}``.
    Layers are values: equal when all of that is equal, never changed.
    """

    __slots__ = ("bottoms", "name", "params", "tops", "type")

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: Fields

    def __init__(
        self,
        name: str,
        type: str,
        bottoms: tuple[str, ...] = (),
        tops: tuple[str, ...] = (),
        params: Fields = EMPTY,
    ) -> None:
        _set_name(self, name)
        _set_type(self, type)
        _set_bottoms(self, bottoms)
        _set_tops(self, tops)
        _set_params(self, params)

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(f"layer {self.name!r} is read-only; make a new one with Layer.replace({key}=...)")

    __delattr__ = __setattr__  # type: ignore[assignment]

    def replace(self, **changes: Any) -> Layer:
        """A copy with some of name, type, bottoms, tops and params changed."""
        values = {key: changes.pop(key, getattr(self, key)) for key in ("name", "type", "bottoms", "tops", "params")}
        if changes:
            raise TypeError(f"a layer has no {next(iter(changes))!r}")
        return Layer(**values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.bottoms, self.tops))

    def _values(self) -> tuple[object, ...]:
        return self.name, self.type, self.bottoms, self.tops, self.params

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Layer, self._values()

    def __repr__(self) -> str:
        return f"<Layer {self.name!r} {self.type} {', '.join(self.bottoms)} -> {', '.join(self.tops)}>"

    def __str__(self) -> str:
        return f"layer {self.name!r} ({self.type})" if self.type else f"layer {self.name!r}"


# A frozen class pays for its __setattr__ on every construction; the slots' own setters go round it.
_set_name, _set_type, _set_bottoms, _set_tops, _set_params = (
    vars(Layer)[slot].__set__ for slot in ("name", "type", "bottoms", "tops", "params")
)


class Layers(Sequence[Layer]):
    """A read-only, growing view of a network's layers, in order; indexed by position or by layer name."""

    __slots__ = ("_items",)

    def __init__(self, items: list[Layer]) -> None:
        self._items = items

    @overload
    def __getitem__(self, index: int | str) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> list[Layer]: ...
    def __getitem__(self, index: int | str | slice) -> Layer | list[Layer]:
        if not isinstance(index, str):
            return self._items[index]
        for layer in self._items:
            if layer.name == index:
                return layer
        raise KeyError(index)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Layers):
            return self._items == other._items
        return list(self._items) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self._items)} layers>"


class Graph:
    """A network as data: its name, its layers in order, and the other fields of NetParameter, ``params``.

    ``notes`` are the remarks of whoever read it from a file (fields that the schema lacks); they are no part of the
    network, and do not count in comparisons.
    """

    __slots__ = ("_layers", "name", "notes", "params")

    def __init__(
        self,
        name: str = "",
        layers: Iterable[Layer] = (),
        params: Mapping[str, Any] = EMPTY,
        notes: Iterable[str] = (),
    ) -> None:
        self.name = name
        self._layers = list(layers)
        self.params = params if isinstance(params, Fields) else Fields(params)
        self.notes = tuple(notes)

    @property
    def layers(self) -> Layers:
        """The layers, in order."""
        return Layers(self._layers)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names in the ``input:`` fields of an older deploy file; Input layers are not among them."""
        return tuple(self.params.get("input", ()))

    @property
    def wired(self) -> bool:
        """Whether each layer is known to find its bottoms and to name its tops by Caffe's rules, in every state."""
        return False

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return (self.name, self.params, self._layers) == (other.name, other.params, other._layers)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {len(self._layers)} layers>"
