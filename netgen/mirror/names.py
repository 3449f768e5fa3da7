"""Caffe's layer names as names of torch modules, and back."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import unquote

from torch import nn

_EMPTY = "%"
_AGAIN = re.compile(r"%~\d+$")


def escaped(name: str, again: int = 0) -> str:
    """The module's name for a layer: percent-encoded, as in a URL, where torch forbids a character.

    Torch forbids the dot, and names that a module has as attributes, Mirror's among them (of these the first letter is
    encoded); the percent sign is encoded so that ``unescaped`` finds the way back. A layer without a name is ``%``; the
    ``again``-th further layer of one name has ``%~`` and that number behind it.

    >>> escaped("stage1/conv.a"), escaped("type"), unescaped("stage1/conv%2Ea")
    ('stage1/conv%2Ea', '%74ype', 'stage1/conv.a')
    """
    text = name.replace("%", "%25").replace(".", "%2E")
    if text in taken():
        text = f"%{ord(text[0]):02X}{text[1:]}"
    return (text or _EMPTY) + (f"%~{again + 1}" if again else "")


def unescaped(name: str) -> str:
    """The layer's name for a module's, as ``escaped`` makes it."""
    text = _AGAIN.sub("", name)
    return "" if text == _EMPTY else unquote(text, errors="surrogateescape")


@cache
def taken() -> frozenset[str]:
    """The attributes of a mirror, torch's among them."""
    from netgen.mirror.network import Mirror

    declared = (name for each in Mirror.__mro__ for name in getattr(each, "__annotations__", ()))
    return frozenset((*dir(nn.Module()), *dir(Mirror), *declared))
