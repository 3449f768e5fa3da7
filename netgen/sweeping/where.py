"""``--where``: a condition on the columns of a sweep, a small part of Python's expressions, never run as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netgen.errors import UsageError, did_you_mean
from netgen.fields import shown

Row = Mapping[str, Any]
Value = Callable[[Row], Any]

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_MEMBERSHIP: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_WORDS = {"true": True, "false": False, "none": None}
_TAKES = "numbers, 'words', lists, columns, + - * / // %, < <= > >= == != in, and, or, not"


class Where:
    """A condition; called with a row it says whether it holds. Raises UsageError where it is none.

    A missing value, as a variant that cannot be built has them, is in no order: nothing is below it or above it.

    >>> where = Where("100e6 < macs < 300e6 and (pool == 'AVE' or weights / macs > 0.01)", ["macs", "weights", "pool"])
    >>> where({"macs": 2e8, "weights": 10, "pool": "AVE"}), where({"macs": None, "weights": None, "pool": "AVE"})
    (True, False)
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self.text = text
        self._columns = columns
        try:
            self._value = self._compiled(ast.parse(text.strip(), mode="eval").body)
        except SyntaxError as error:
            raise self._wrong(
                f"is no condition ({error.msg}); write one such as \"macs < 300e6 and pool == 'AVE'\""
            ) from None
        except (ValueError, RecursionError, MemoryError):
            raise self._wrong("is too long or nested too deep") from None

    def __call__(self, row: Row) -> bool:
        """Whether it holds for a row; raises UsageError when it compares or adds what does not go together."""
        try:
            return bool(self._value(row))
        except ArithmeticError:
            return False  # a division by 0, or a number too large for a float

    def _wrong(self, rule: str) -> UsageError:
        return UsageError(f"--where {shown(self.text)}: {rule}")

    def _compiled(self, node: ast.expr) -> Value:
        compiled = _NODES.get(type(node))
        if compiled is None:
            raise self._wrong(f"{ast.unparse(node)!r} cannot stand in a condition, which takes {_TAKES}")
        return compiled(self, node)

    def _constant(self, node: Any) -> Value:
        if not isinstance(node.value, bool | int | float | str | None):
            raise self._wrong(f"{ast.unparse(node)!r} cannot stand in a condition, which takes {_TAKES}")
        return lambda _: node.value

    def _name(self, node: Any) -> Value:
        name = node.id
        if name in self._columns:
            return lambda row: row[name]
        if name in _WORDS:
            return lambda _: _WORDS[name]
        near = did_you_mean(name, self._columns) or f" (there are {', '.join(self._columns)})"
        raise self._wrong(f"no column {name!r}{near}")

    def _several(self, node: Any) -> Value:
        items = [self._compiled(each) for each in node.elts]
        return lambda row: tuple([item(row) for item in items])

    def _both_or_either(self, node: Any) -> Value:
        items = [self._compiled(each) for each in node.values]
        if isinstance(node.op, ast.And):
            return lambda row: all(item(row) for item in items)
        return lambda row: any(item(row) for item in items)

    def _sign(self, node: Any) -> Value:
        value = self._compiled(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda row: not value(row)
        if isinstance(node.op, ast.Invert):
            raise self._wrong("'~' cannot stand in a condition; write not")
        factor = -1 if isinstance(node.op, ast.USub) else 1
        return lambda row: self._computed(operator.mul, factor, value(row))

    def _arithmetic(self, node: Any) -> Value:
        if type(node.op) not in _ARITHMETIC:
            raise self._wrong(f"{ast.unparse(node)!r} cannot stand in a condition, which takes {_TAKES}")
        compute = _ARITHMETIC[type(node.op)]
        left, right = self._compiled(node.left), self._compiled(node.right)
        return lambda row: self._computed(compute, left(row), right(row))

    def _computed(self, compute: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        if left is None or right is None:
            return None
        for each in (left, right):
            if not isinstance(each, int | float):
                raise self._wrong(f"takes numbers to reckon with, got {shown(each)}")
        return compute(left, right)

    def _comparison(self, node: Any) -> Value:
        first, items = self._compiled(node.left), [self._compiled(each) for each in node.comparators]
        compare = [self._comparing(type(each)) for each in node.ops]

        def holds(row: Row) -> bool:
            left = first(row)
            for each, item in zip(compare, items, strict=True):
                right = item(row)
                if not each(left, right):
                    return False
                left = right
            return True

        return holds

    def _comparing(self, kind: type[ast.cmpop]) -> Callable[[Any, Any], bool]:
        compare = _ORDER.get(kind) or _MEMBERSHIP.get(kind)
        if compare is None:
            raise self._wrong("'is' cannot stand in a condition; write ==")

        def compared(left: Any, right: Any) -> bool:
            if kind in _ORDER and (left is None or right is None):
                return False
            try:
                return compare(left, right)
            except TypeError:
                raise self._wrong(f"{shown(left)} and {shown(right)} cannot be compared so") from None

        return compared


_NODES: dict[type[ast.expr], Callable[[Where, Any], Value]] = {
    ast.Constant: Where._constant,
    ast.Name: Where._name,
    ast.Tuple: Where._several,
    ast.List: Where._several,
    ast.BoolOp: Where._both_or_either,
    ast.UnaryOp: Where._sign,
    ast.BinOp: Where._arithmetic,
    ast.Compare: Where._comparison,
}
