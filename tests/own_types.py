"""Layer types that a test registers, forgotten after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netgen import layers
from netgen.kinds import forget
from netgen.layers.index import TYPES, VERBS
from netgen.rules import RULES


@contextmanager
def forgotten_types() -> Iterator[None]:
    """Undo every ``netgen.register`` within."""
    types, verbs = dict(TYPES), dict(VERBS)
    try:
        yield
    finally:
        for table, before in ((TYPES, types), (VERBS, verbs)):
            for name in table.keys() - before.keys():
                del table[name]
        for name in layers._registered:
            RULES.pop(name, None)
        layers._registered.clear()
        forget()
