"""``netgen.variants``: the networks of a grid of parameters, or of a function's draws, built when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from netgen.errors import UsageError
from netgen.fields import shown
from netgen.sweeping.grid import Draw, Draws, Grid
from netgen.zoo import call, find, parameters_of, unknown_parameter

if TYPE_CHECKING:
    from netgen.builder import Net


class Variant:
    """One variant of a network: its ``parameters``, and its ``net``, built at the first look and then kept."""

    def __init__(self, name: str, function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
        self.name = name
        self.parameters = dict(parameters)
        self._function = function

    @cached_property
    def net(self) -> Net:
        """The network; raises what building it raises: NetgenError where the parameters do not fit one another."""
        return call(self.name, self._function, self.parameters)

    def __repr__(self) -> str:
        return f"<Variant of {self.name}: {', '.join(f'{key}={value}' for key, value in self.parameters.items())}>"


class Variants(Sequence[Variant]):
    """The variants in order; each look at one makes it anew, so that none is held but by whoever looks."""

    def __init__(self, name: str, function: Callable[..., Any], points: Grid | Draws) -> None:
        self._name = name
        self._function = function
        self._points = points

    def __len__(self) -> int:
        return self._points.size

    @overload
    def __getitem__(self, index: int) -> Variant: ...
    @overload
    def __getitem__(self, index: slice) -> list[Variant]: ...
    def __getitem__(self, index: int | slice) -> Variant | list[Variant]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Variant(self._name, self._function, self._points.at(range(len(self))[index]))

    def __repr__(self) -> str:
        return f"<{len(self):,} variants of {self._name}>"


def variants(
    network: str | Callable[..., Net],
    draw: Draw | None = None,
    /,
    *,
    count: int | None = None,
    seed: int = 0,
    **parameters: Any,
) -> Variants:
    """The variants of a network, a sequence that holds none of them: building waits for ``.net``.

    Of a *grid*: a parameter with several values (a list, a range, an array) takes each of them with each of the
    others'; any other value, a tuple too, is one value for all. The last parameter turns fastest.

    Of a *function's draws*: ``draw(random)`` gets a ``random.Random`` and returns a dict of parameters, ``count``
    times; ``parameters`` are then the same for all. The generator hangs on ``seed`` and the variant's number alone.

    ``network`` is a name as for ``netgen.build``, or a function that returns a net. Raises UsageError for an unknown
    network or parameter at once; what a variant's parameters break is raised by its ``net``, and by that one alone.

    >>> found = variants("peleenet", growth_rate=[16, 24, 32], layers=[(3, 4, 8, 6), (2, 3, 5, 3)])
    >>> len(found), found[1]
    (6, <Variant of peleenet: growth_rate=16, layers=(2, 3, 5, 3)>)
    >>> [len(variant.net.layers) for variant in found if variant.parameters["growth_rate"] == 16]
    [482, 314]
    >>> variants("peleenet", lambda random: {"growth_rate": 2 * random.randint(8, 16)}, count=3)[0].parameters
    {'growth_rate': 26}
    """
    function = find(network) if isinstance(network, str) else network
    if not callable(function):
        raise UsageError(f"variants: give a network's name or a function that returns a net, got {shown(network)}")
    name = network if isinstance(network, str) else getattr(network, "__name__", "network")
    known = parameters_of(function)
    for each in parameters:
        if known is not None and each not in known:
            raise UsageError(f"{name}: {unknown_parameter(each, known)}")
    if draw is None:
        if count is not None:
            raise UsageError("variants: count is for a function's draws; a grid has as many variants as it has points")
        return Variants(name, function, Grid({key: _axis(value) for key, value in parameters.items()}))
    return Variants(name, function, _draws(draw, count, seed, parameters))


def _draws(draw: Draw, count: int | None, seed: int, fixed: Mapping[str, Any]) -> Draws:
    if not callable(draw):
        raise UsageError(f"variants: what draws must be a function of a random.Random, got {shown(draw)}")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise UsageError(f"variants: count must say how many to draw, a whole number, got {shown(count)}")
    several = [key for key, value in fixed.items() if _is_several(value)]
    if several:
        raise UsageError(f"variants: {several[0]} has several values; let the function draw one, or give a tuple")
    return Draws(draw, count, seed, fixed)


def _is_several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | tuple | Mapping)


def _axis(value: Any) -> Sequence[Any]:
    """The values of one parameter; those of an array as Python's own numbers."""
    if not _is_several(value):
        return (value,)
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain if isinstance(plain, list | range) else tuple(plain)
