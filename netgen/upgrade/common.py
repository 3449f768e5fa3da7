"""What the steps of an upgrade share: their refusals, their remarks, and how a field changes its message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgen.errors import NetgenError, ParseError
from netgen.graph import Fields


class UpgradeError(NetgenError):
    """What cannot be upgraded.

    ``places`` are the fields of the net that it is about, each as name and index: whoever has the text finds them.
    """

    def __init__(self, message: str, *places: tuple[str, int]) -> None:
        super().__init__(message)
        self.places = places


class Remarks:
    """Notes on layers, each sentence once however many layers it is about."""

    def __init__(self) -> None:
        self._wheres: dict[str, list[str]] = {}

    def add(self, where: str, what: str) -> None:
        """Note something about one layer."""
        self._wheres.setdefault(what, []).append(where)

    def texts(self) -> list[str]:
        """The notes, in the order in which they first arose."""
        return [
            f"{wheres[0]}{f' and {len(wheres) - 1} more' if len(wheres) > 1 else ''}: {what}"
            for what, wheres in self._wheres.items()
        ]


def shown(fields: Mapping[str, Any]) -> str:
    """How messages call a layer of an old format."""
    own = fields.get("layer", fields)
    return f"layer {own.get('name', '')!r} ({own.get('type', 'no type')})"


def moved(fields: Mapping[str, Any], old: str, new: str, where: str, index: int) -> Fields:
    """Fields of one message as fields of another that may know other fields: through text, which keeps all of them."""
    from netgen.prototxt.reader import Reader
    from netgen.prototxt.writer import message_lines

    try:
        return Reader("\n".join(message_lines(old, Fields(fields))), "", new).read()
    except ParseError as error:
        raise UpgradeError(f"{where}: {error.rule}", ("layers", index)) from None
