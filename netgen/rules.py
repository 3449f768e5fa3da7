"""What the builder must know of a layer type before it adds one: which fields it takes and how many blobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netgen.errors import NetgenError, did_you_mean, nearest
from netgen.fields import Check, Checked, FieldError, checks_of, literal, shown
from netgen.graph import EMPTY, Fields, Layer
from netgen.layers.index import TYPES, VERBS, TypeRow
from netgen.schema import FIELDS

_OWN = frozenset(("name", "type", "bottom", "top"))
_EVERY_LAYERS = ("blobs", "exclude", "include", "loss_weight", "param", "phase", "propagate_down")
_SPECS = {"lr_mult": "lr_mult", "decay_mult": "decay_mult", "param_name": "name"}
_SHORT = {"Convolution": "conv", "Deconvolution": "deconv", "BatchNorm": "bn", "Pooling": "pool", "InnerProduct": "fc"}
_ANY: TypeRow = ((), False, (), (0, None), (0, None), False, 0, "")
_MEMOIZED = frozenset((int, float, str, bool, type(None), Checked))
_MEMO_SIZE = 4096
_COUNTED = frozenset(("loss_weight", "propagate_down", "include", "param"))
RULES: dict[str, LayerRule] = {}


def rule_of(type_name: str) -> LayerRule:
    """The rule of a layer type; one that the catalogue lacks takes anything, unless it looks like a misspelt one."""
    rule = RULES.get(type_name)
    if rule is None:
        row = TYPES.get(type_name)
        if row is None:
            if not isinstance(type_name, str) or not type_name:
                raise NetgenError(f"a layer's type must be a string that is not empty, got {shown(type_name)}")
            known = _misspelt(type_name)
            if known is not None:
                way_out = f"did you mean {known!r}? (a type of your own: netgen.register it first)"
                raise NetgenError(f"no layer type {type_name!r}; {way_out}")
        rule = RULES[type_name] = LayerRule(type_name, row or _ANY)
    return rule


def _misspelt(type_name: str) -> str | None:
    """The known type that this one is but for case or a slip of the pen; forks' CReLU or GELU are none."""
    known = nearest(type_name, TYPES)
    if known is None or known[0].lower() != type_name[0].lower():
        return None
    from difflib import SequenceMatcher

    return known if SequenceMatcher(None, known.lower(), type_name.lower()).ratio() > 0.9 else None


class LayerRule:
    """One type's fields by the names that a verb takes them under, and its number of bottoms and tops."""

    def __init__(self, type_name: str, row: TypeRow) -> None:
        self.type = type_name
        self.messages, self.in_place, self.required, self.bottoms, self.tops, self.same_count, self.weights, _ = row
        self.known = row is not _ANY
        self.short = _SHORT.get(type_name) or _verbs_by_type().get(type_name) or type_name.lower()
        self._counts: set[tuple[int, int, Fields]] = set()
        self._memo: dict[tuple[Any, ...], Fields] = {}
        # The type's own fields go before LayerParameter's (forks have an ``engine`` there), its main message before the
        # others; but transform_param before all: data layers once had its fields, and Caffe reads them no more.
        self._flat: dict[str, tuple[str, Check]] = {}
        self._required_within: list[tuple[str, str]] = []
        own = {name: ("", check) for name, check in checks_of("LayerParameter").items() if name not in _OWN}
        self._flat.update(own)
        for message in sorted(self.messages, key=lambda each: (each == "transform_param", -self.messages.index(each))):
            of = FIELDS["LayerParameter"].get(message, ("", "", "", None, None))[3]
            if of is not None:
                self._flat.update((name, (message, check)) for name, check in checks_of(of).items())
                self._required_within += [(message, each) for each, row in FIELDS[of].items() if row[1] == "required"]
        self._flat.update({name: own[name] for name in _EVERY_LAYERS})

    def describe(self) -> str:
        """What help says of the type's verb: blobs, fields, where to read on."""
        article = "An" if self.type[0] in "AEIO" else "A"
        lines = [f"{article} {self.type} layer; ``netgen.layers.find({self.type!r})`` tells its shapes and cost.", ""]
        for what, (least, most) in (("bottom", self.bottoms), ("top", self.tops)):
            lines.append(f"{what}s: {_span(least, most)}")
        if self.required:
            lines.append(f"required: {', '.join(self.required)}")
        for message in self.messages:
            names = (
                ", ".join(FIELDS[FIELDS["LayerParameter"][message][3] or ""])
                if message in FIELDS["LayerParameter"]
                else ""
            )
            lines.append(f"{message}: {names}")
        return "\n".join([*lines, "further arguments: those of ``Net.layer``"])

    def params(self, given: Mapping[str, Any]) -> Fields:
        """The fields of LayerParameter that the keyword arguments of a verb stand for; raises FieldError.

        Networks say the same thing many times, and fields are read-only: equal arguments share one result.
        """
        if not given:
            return EMPTY if not self.required else self._complete({})
        values = given.values()
        kinds = tuple(map(type, values))
        # The types belong to the key: True is 1 to a dict, and 0.0 is -0.0, so zeros are not kept at all.
        key = (*given, *values, *kinds) if _MEMOIZED.issuperset(kinds) else None
        if key is not None:
            params = self._memo.get(key)
            if params is not None:
                return params
        params = self._fresh_params(given)
        if key is not None and len(self._memo) < _MEMO_SIZE and not any(v == 0 and type(v) is float for v in values):
            self._memo[key] = params
        return params

    def _fresh_params(self, given: Mapping[str, Any]) -> Fields:
        flat = self._flat
        params: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {}
        for name, value in given.items():
            if value is None:
                continue
            place = flat.get(name)
            if place is None:
                self._odd_field(name, value, given, params)
                continue
            message, check = place
            checked = value.value if type(value) is Checked else check(value)
            if checked == ():
                continue
            if not message:
                params[name] = checked
            elif message in parts:
                parts[message][name] = checked
            else:
                parts[message] = {name: checked}
        for message, fields in parts.items():
            if message in params:
                twice = fields.keys() & params[message].keys()
                if twice:
                    raise FieldError(min(twice), f"is given twice, by itself and in {message}")
            params[message] = Fields({**params.get(message, EMPTY), **fields})
        return self._complete(params)

    def _complete(self, params: dict[str, Any]) -> Fields:
        for name in self.required:
            message = self._flat[name][0]
            if name not in params.get(message, ()):
                raise FieldError(name, "is required and was not given")
        for message, name in self._required_within:
            if message in params and name not in params[message]:
                raise FieldError(f"{message}.{name}", "is required and was not given")
        return Fields(params)

    def _odd_field(self, name: str, value: Any, given: Mapping[str, Any], params: dict[str, Any]) -> None:
        if name in _SPECS:
            if "param" in given:
                raise FieldError(name, "and param are both given; say all in one of them")
            params["param"] = self._param_specs(given)
        elif name in self.messages or (not self.known and name.endswith("_param")):
            params[name] = literal(value, name)
        elif not self.known:
            way_out = f"give {name!r} in its message: some_param={{{name!r}: ...}}"
            raise FieldError("", f"the fields of type {self.type} are not known; {way_out}")
        else:
            raise FieldError("", f"no field {name!r}{did_you_mean(name, [*self._flat, *_SPECS])}")

    def _param_specs(self, given: Mapping[str, Any]) -> tuple[Fields, ...]:
        """ParamSpecs from lr_mult, decay_mult and param_name: one value counts for every weight, a list for each."""
        columns = {key: given[name] for name, key in _SPECS.items() if given.get(name) is not None}
        lengths = [len(each) for each in columns.values() if isinstance(each, list | tuple)]
        count = max(lengths) if lengths else max(self._weight_count(given), 1)
        specs: list[dict[str, Any]] = [{} for _ in range(count)]
        for key, value in columns.items():
            values: Iterable[Any] = value if isinstance(value, list | tuple) else [value] * count
            for spec, each in zip(specs, values, strict=False):
                if each is not None:
                    spec[key] = each
        specs_checked: tuple[Fields, ...] = checks_of("LayerParameter")["param"](specs)
        return specs_checked

    def _weight_count(self, given: Mapping[str, Any]) -> int:
        """How many learned arrays a layer with these fields has; 0 when that is not known."""
        count = self.weights
        if not count or "bias_term" not in self._flat:
            return count
        message = self._flat["bias_term"][0]
        bias = given.get("bias_term", (given.get(message) or {}).get("bias_term"))
        if bias is None:
            row = FIELDS[FIELDS["LayerParameter"][message][3] or ""]["bias_term"]
            bias = row[4]
        return count + bool(bias)

    def check_counts(self, layer: Layer) -> None:
        """Raise FieldError when bottoms, tops, or what is given once for each of them are too many or too few."""
        bottoms, tops = len(layer.bottoms), len(layer.tops)
        params = layer.params
        known = (bottoms, tops, EMPTY if _COUNTED.isdisjoint(params) else params)
        if known in self._counts:
            return
        for what, count, (least, most) in (("bottom", bottoms, self.bottoms), ("top", tops, self.tops)):
            if count < least or (most is not None and count > most):
                plural = "" if least == most == 1 else "s"
                raise FieldError("", f"takes {_span(least, most)} {what}{plural}, got {count}")
        if self.same_count and bottoms != tops:
            raise FieldError("", f"takes as many tops as bottoms, got {tops} for {bottoms}")
        if "loss_weight" in params and len(params["loss_weight"]) not in (0, tops):
            count = len(params["loss_weight"])
            raise FieldError("loss_weight", f"must be given once for each top ({tops}), got {count}")
        if "propagate_down" in params and len(params["propagate_down"]) not in (0, bottoms):
            count = len(params["propagate_down"])
            raise FieldError("propagate_down", f"must be given once for each bottom ({bottoms}), got {count}")
        if "include" in params and "exclude" in params:
            raise FieldError("", "takes include rules or exclude rules, not both")
        if "param" in params and self.weights:
            self._check_param_count(params)
        if len(self._counts) < _MEMO_SIZE:
            self._counts.add(known)

    def _check_param_count(self, params: Fields) -> None:
        flat: dict[str, Any] = {}
        for message in self.messages:
            flat.update(params.get(message, ()))
        most = self._weight_count(flat)
        if len(params["param"]) > most:
            lacks_bias = flat.get("bias_term") is False and len(params["param"]) == most + 1
            hint = "; the layer has no bias, bias_term=True gives it one" if lacks_bias else ""
            raise FieldError("param", f"may be given once for each weight ({most}), got {len(params['param'])}{hint}")


def _span(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _verbs_by_type() -> dict[str, str]:
    if len(_by_type) != len(VERBS):
        _by_type.update((type_name, verb) for verb, type_name in VERBS.items())
    return _by_type


_by_type: dict[str, str] = {}
