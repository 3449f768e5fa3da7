"""Find ``netgen.nets`` and ``netgen.templates`` in a checkout, where they lie beside ``netgen``, not inside it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # `from typing import TYPE_CHECKING` would make every start pay for typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_BESIDE = frozenset({"netgen.nets", "netgen.templates"})
_HERE = os.path.dirname(os.path.abspath(__file__))


class CheckoutFinder:
    """A meta-path finder that answers for the two packages which a checkout keeps beside ``netgen``."""

    @staticmethod
    def find_spec(
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG004  importlib passes it
        target: ModuleType | None = None,  # noqa: ARG004  and this
    ) -> ModuleSpec | None:
        """The package of that name in this checkout, or None for every other name and where there is no such folder."""
        if fullname not in _BESIDE:
            return None
        spec = PathFinder.find_spec(fullname, [os.path.dirname(_HERE)])
        # A folder without __init__.py has no origin: it is not ours.
        return spec if spec is not None and spec.origin is not None else None


def install() -> None:
    """Put the finder in place, unless ``nets`` lies inside ``netgen``, as it does in a wheel.

    It goes first. Behind the finder of an editable install it would lose to it: run from the root of another checkout,
    that checkout's ``netgen`` would work with the installed one's ``nets``.
    """
    if os.path.isfile(os.path.join(_HERE, "nets", "__init__.py")) or CheckoutFinder in sys.meta_path:
        return
    sys.meta_path.insert(0, CheckoutFinder)
