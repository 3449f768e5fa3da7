"""Blobs as the builder hands them out, and the branches and scopes of a net under construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netgen.builder import Net


class Blob:
    """What one layer wrote: ``name`` as files spell it, ``layer`` the name of that layer.

    Every top is a blob of its own, also that of an in-place layer, which files call by its bottom's name.
    """

    __slots__ = ("index", "name", "net")

    def __init__(self, name: str, index: int, net: Net) -> None:
        self.name = name
        self.index = index
        self.net = net

    @property
    def layer(self) -> str:
        """The name of the layer that wrote it; "" for an input of the net."""
        return self.net.layers[self.index].name if self.index >= 0 else ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blob):
            return NotImplemented
        return self.net is other.net and self.index == other.index and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.name, self.index))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<Blob {self.name!r} of layer {self.layer!r}>"


class Fork:
    """The ends of several branches, to be joined by a verb: ``fork.concat()``, ``fork.eltwise()``, any other."""

    __slots__ = ("_net", "ends")

    def __init__(self, net: Net, ends: list[Blob]) -> None:
        self._net = net
        self.ends = ends

    def __repr__(self) -> str:
        return f"<Fork of {', '.join(repr(blob.name) for blob in self.ends)}; join it: .concat(), .eltwise(), ...>"

    def __getattr__(self, verb: str) -> Callable[..., Net]:
        function: Callable[..., Net] = getattr(self._net, verb)

        def join(**fields: Any) -> Net:
            return function(bottom=self.ends, **fields)

        return join

    def layer(self, type: str, **fields: Any) -> Net:
        """Join the branches by a layer of any type."""
        return self._net.layer(type, bottom=self.ends, **fields)


class Scope:
    """The names of a ``with net.scope(...)``."""

    __slots__ = ("_name", "_net", "_outer")

    def __init__(self, net: Net, name: str) -> None:
        self._net = net
        self._name = name
        self._outer = ""

    def __enter__(self) -> Net:
        self._outer = self._net._scope
        self._net._scope = f"{self._outer}{self._name}/"
        return self._net

    def __exit__(self, *_: object) -> None:
        self._net._scope = self._outer
