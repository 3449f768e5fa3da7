"""What makes a function a block: it returns the blob that it ends on, and that is checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from netgen.branching import Blob
from netgen.errors import NetgenError
from netgen.fields import shown

if TYPE_CHECKING:
    from netgen.builder import Net

Block = TypeVar("Block", bound=Callable[..., "Blob | tuple[Blob, ...]"])


def block(function: Block) -> Block:
    """Declare a block: the function must return the blob that it ends on, and leave ``net.last`` there.

    A tuple of blobs stands for several ends; the net goes on from its last one. Raises NetgenError when a block returns
    something else, or leaves the net elsewhere.
    """

    @wraps(function)
    def checked(net: Net, *args: Any, **kwargs: Any) -> Any:
        end = function(net, *args, **kwargs)
        if end != net.last:
            _check_end(function.__name__, net, end)
        return end

    return cast("Block", checked)


def _check_end(name: str, net: Net, end: Any) -> None:
    ends = end if isinstance(end, tuple) else (end,)
    if not ends or not all(isinstance(each, Blob) for each in ends):
        found = f"got {shown(end)}; end it with 'return net.last'"
        raise NetgenError(f"block {name!r}: must return the blob that it ends on, {found}")
    if ends[-1] != net.last:
        raise NetgenError(
            f"block {name!r}: returns {ends[-1]!r} but leaves net.last at {net.last!r}; "
            "go there with net.at(...) before returning, or return net.last"
        )
