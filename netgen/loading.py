"""Files become nets: whatever netgen reads, by what is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netgen.builder import Net
from netgen.errors import NetgenError, ParseError, UsageError
from netgen.files import file_name, text_of
from netgen.schema import FIELDS

if TYPE_CHECKING:
    from netgen.graph import Graph


def parse_prototxt(text: str, path: str = "<text>") -> Net:
    """The net that a prototxt describes; ``net.notes`` tells of fields that the schema lacks, which are kept.

    A V2 file is kept as it is, with its ``input`` fields; a V0 or V1 file (``layers``) becomes what Caffe makes of it.
    Wiring is not checked. ``path`` is the name for errors. Raises ParseError with line and column.
    """
    return Net(graph=_parsed(text, path))


def load(path: str | os.PathLike[str]) -> Net:
    """The net in a file: a ``.prototxt`` of any age, a solver file, a ``.caffemodel``, a ``.cfg``, a ``.py`` file.

    Of a solver file it is the net that it trains, in it or beside it; of a ``.caffemodel`` the layers without their
    weights; of Darknet's ``.cfg`` what ``load_darknet`` makes of it; of a ``.py`` file (``file.py:function``) what its
    function returns.

    Raises ParseError (line and column) when the text is broken, UsageError when the file cannot be read. Never another
    exception than NetgenError, but for those that a ``.py`` file raises itself.
    """
    name = file_name(path)
    if is_python(name):
        from netgen.zoo import build

        return build(name)
    if name.endswith(".caffemodel"):
        from netgen.architecture import read_architecture

        return Net(graph=read_architecture(name))
    if name.endswith(".cfg"):
        from netgen.darknet import load_darknet

        return load_darknet(name).net
    text = text_of(name)
    graph = _parsed(text, name)
    return Net(graph=_net_of_solver(text, name) if is_solver(graph) else graph)


def is_python(source: str) -> bool:
    """Whether a command's source is a user's ``.py`` file or ``file.py:function``."""
    return source.endswith(".py") or ".py:" in source


def is_file(source: str) -> bool:
    """Whether a command's source names a file rather than a network: by its ending, a slash, or its being there."""
    return (
        source.endswith((".prototxt", ".pt", ".txt", ".prototext", ".caffemodel", ".cfg"))
        or os.sep in source
        or os.path.exists(source)
    )


def _parsed(text: str, path: str) -> Graph:
    from netgen.prototxt import parse

    if not isinstance(text, str):
        raise UsageError(f"{path}: a prototxt must be given as a string, got {type(text).__name__}")
    if text.lstrip().startswith("[net"):
        raise ParseError(path, 0, 0, "this is Darknet's format; a file of it must be named .cfg")
    graph = parse(text, path)
    return upgraded(graph, text, path) if "layers" in graph.params else graph


def upgraded(graph: Graph, text: str, path: str, *, keep_inputs: bool = True) -> Graph:
    """A graph that was read from this text, in today's format; a refusal says where in the text, a note of what."""
    from netgen.upgrade import UpgradeError, upgrade

    try:
        new = upgrade(graph, keep_inputs=keep_inputs)
    except UpgradeError as error:
        from netgen.prototxt.places import error_at

        raise error_at(text, path, str(error), error.places) from None
    new.notes = (*graph.notes, *(f"{path}: {note}" for note in new.notes[len(graph.notes) :]))
    return new


# Solver files


def is_solver(graph: Graph) -> bool:
    """Whether what was read as a net is a solver file: no layers, and fields that only a solver has."""
    return not len(graph.layers) and any(
        name in FIELDS["SolverParameter"] and name not in FIELDS["NetParameter"] for name in graph.params
    )


def _net_of_solver(text: str, path: str) -> Graph:
    """The net that a solver file trains: the one in it, or the file that it names."""
    from netgen.prototxt.places import error_at
    from netgen.solver import TRAIN_FIELDS, parse_solver

    solver = parse_solver(text, path)
    try:
        field = solver.train_source()
    except NetgenError as error:
        rule = f"this is a solver file: {error}; load the file of the net"
        raise error_at(text, path, rule, [(name, 0) for name in TRAIN_FIELDS]) from None
    if field.endswith("_param"):
        assert solver.net_param is not None
        return solver.net_param
    named = solver.fields[field]
    # As Caffe takes it, from the current folder; or beside the solver. Only plain files: the name is the file's, not
    # the user's, and must neither run a .py nor wait for a device.
    for place in (named, os.path.join(os.path.dirname(path), named)):
        if os.path.isfile(place):
            graph = _parsed(text_of(place), place)
            if not is_solver(graph):
                graph.notes = (*graph.notes, f"{path}: this is a solver file; read its {field} {named!r}")
                return graph
            rule = f"this is a solver file, and names {named!r} as its net, which is a solver file too; load the net"
            raise error_at(text, path, rule, [(field, 0)])
    rule = f"this is a solver file, and the net that it names, {named!r}, is not there; load the file of the net"
    raise error_at(text, path, rule, [(field, 0)])
