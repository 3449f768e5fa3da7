"""Networks by name: netgen's own, those of other packages, and functions in a user's ``.py`` file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from netgen.builder import Net
from netgen.errors import UsageError, did_you_mean
from netgen.fields import shown

ENTRY_POINTS = "netgen.nets"
Function = Callable[..., Any]
_USER = "_netgen_user_"
"""How the modules of users' files are called."""


def build(name: str, /, **parameters: Any) -> Net:
    """The network of that name with these arguments: ``build("peleenet", size=320)``; see ``netgen list``.

    ``name`` may also be a ``.py`` file, or ``file.py:function``. Raises UsageError for an unknown network or parameter.

    >>> len(build("peleenet", size=320).layers)
    482
    """
    return call(name, find(name), parameters)


def call(name: str, function: Function, parameters: Mapping[str, Any]) -> Net:
    """The net that a network's function returns for these parameters; raises UsageError for what it does not take."""
    known = parameters_of(function)
    for each in parameters:
        if known is not None and each not in known:
            raise UsageError(f"{name}: {unknown_parameter(each, known)}")
    missing = [
        each.name
        for each in (known or {}).values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and each.name not in parameters
    ]  # fmt: skip
    if missing:
        raise UsageError(f"{name}: the parameter {missing[0]!r} must be given: {missing[0]}=...")
    net = function(**parameters)
    if not isinstance(net, Net):
        way = "; end it with 'return net'" if net is None else ""
        raise UsageError(f"{name}: must return a netgen.Net, returned {shown(net)}{way}")
    return net


def find(name: str) -> Function:
    """The function that builds the network of that name."""
    from netgen.nets import MODULES

    if not isinstance(name, str):
        raise UsageError(f"a network must be named by a string, got {shown(name)}")
    file, colon, function_name = name.rpartition(".py:")
    if colon or name.endswith(".py"):
        return _from_file(f"{file}.py" if colon else name, function_name if colon else "")
    own = name.replace("-", "_")
    if own in MODULES:
        function: Function = getattr(import_module(f"netgen.nets.{MODULES[own]}"), own)
        return function
    others = {entry.name: entry for entry in _entry_points()}
    if name in others:
        return _loaded(others[name])
    known = [*MODULES, *others]
    raise UsageError(f"no network {name!r}{did_you_mean(name, known)} ('netgen list' names them all)")


def names() -> Iterator[str]:
    """The names of all networks, netgen's own first."""
    for _, names in groups():
        yield from names


def groups() -> Iterator[tuple[str, list[str]]]:
    """The names of all networks by what they do; those of other packages come last."""
    from netgen.nets import CLASSIFIERS, DETECTORS, MODULES

    yield "Classification", list(CLASSIFIERS)
    yield "Detection", list(DETECTORS)
    others = sorted(entry.name for entry in _entry_points() if entry.name not in MODULES)
    if others:
        yield "Of other packages", others


def parameters_of(function: Function) -> Mapping[str, Any] | None:
    """The parameters that a network takes, by name; None when it takes any."""
    import inspect

    known = inspect.signature(function).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return None
    return known


def unknown_parameter(name: str, known: Iterable[str]) -> str:
    """What is said of a parameter that a network does not take."""
    names = list(known)
    return f"no parameter {name!r}{did_you_mean(name, names)} (it takes {', '.join(names) or 'none'})"


def _entry_points() -> list[Any]:
    from importlib.metadata import entry_points

    return list(entry_points(group=ENTRY_POINTS))


def _loaded(entry: Any) -> Function:
    try:
        function: Function = entry.load()
    except Exception as error:
        raise UsageError(f"network {entry.name!r} of {entry.value}: cannot be loaded: {error}") from error
    return function


def _from_file(path: str, function_name: str) -> Function:
    if not os.path.isfile(path):
        what = "this is a directory; name a file in it" if os.path.isdir(path) else "no such file"
        raise UsageError(f"{path}: {what}")
    values = _run(path)
    if function_name:
        function = values.get(function_name)
        if not callable(function):
            own = list(_functions(values))
            near = did_you_mean(function_name, own) or f" (it defines {', '.join(own) or 'none'})"
            raise UsageError(f"{path}: defines no function {function_name!r}{near}")
        return cast("Function", function)
    net = values.get("net")
    if isinstance(net, Net):

        def ready() -> Net:
            return net

        ready.__doc__ = values["__doc__"] or ""
        return ready
    functions = _functions(values)
    stem = os.path.splitext(os.path.basename(path))[0]
    if len(functions) != 1 and stem not in functions:
        if functions:
            raise UsageError(
                f"{path}: defines several functions ({', '.join(functions)}); name the one to call: {path}:FUNCTION"
            )
        raise UsageError(f"{path}: defines no function that builds a net; write one that returns a netgen.Net")
    return functions[stem] if stem in functions else next(iter(functions.values()))


def _functions(values: Mapping[str, Any]) -> dict[str, Function]:
    """The functions of a file's own that may build a network: no block, and none that is named as private."""
    return {
        key: each
        for key, each in values.items()
        if callable(each) and getattr(each, "__module__", "") == values["__name__"]
        and not isinstance(each, type) and not key.startswith("_") and not hasattr(each, "__wrapped__")
    }  # fmt: skip


def _run(path: str) -> dict[str, Any]:
    """The names that a ``.py`` file defines; it finds its neighbours as a script does."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(f"{_USER}{os.path.splitext(os.path.basename(path))[0]}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return vars(module)


def place_in_user_file(error: BaseException) -> str:
    """``file.py:12: `` of the line in a user's file that led to an error, or ''."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__", "").startswith(_USER):
            place = f"{os.path.relpath(frame.f_code.co_filename)}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place
