"""Solver files: what they say, and which net they train. netgen does not solve; it finds the net and keeps the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from netgen.errors import NetgenError
from netgen.graph import Fields, Graph

# SolverParameter.SolverType by name: the type that replaced it (upgrade_proto.cpp, UpgradeSolverType)
_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}

# Where Caffe looks for the net to train; it wants exactly one (solver.cpp, InitTrainNet).
TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")


@dataclass(frozen=True, slots=True)
class Solver:
    """A solver file: ``fields`` of SolverParameter in today's form, and the nets among them.

    ``net_param`` is the net that stands in the file itself (its ``net_param`` or ``train_net_param``), upgraded as
    ``netgen.load`` does it; the others are paths as written, "" or () where the file names none.
    """

    fields: Fields = field(repr=False)
    net_param: Graph | None
    net: str
    train_net: str
    test_net: tuple[str, ...]
    notes: tuple[str, ...]

    def train_source(self) -> str:
        """Which field gives the net to train; raises NetgenError where Caffe does."""
        given = [name for name in TRAIN_FIELDS if self.fields.get(name, "") != ""]
        if len(given) != 1:
            rule = f"a solver must give its net by one of {', '.join(TRAIN_FIELDS)}"
            raise NetgenError(f"{rule}, got {' and '.join(given) or 'none'}")
        return given[0]


def read_solver(path: str | os.PathLike[str]) -> Solver:
    """The solver in a file. Raises ParseError with line and column, UsageError when the file cannot be read."""
    from netgen.files import text_of

    name = os.fspath(path)
    return parse_solver(text_of(name), name)


def parse_solver(text: str, path: str = "<text>") -> Solver:
    """The solver that a prototxt describes; ``notes`` tells of fields that the schema lacks, which are kept.

    >>> parse_solver('net: "train.prototxt"  base_lr: 0.01  solver_type: ADAGRAD').fields["type"]
    'AdaGrad'
    """
    from netgen.prototxt import read_message

    fields, _, notes = read_message(text, path, "SolverParameter")
    fields = _upgraded(fields, text, path)
    graph = None
    for name in ("net_param", "train_net_param"):
        if name in fields:
            graph = _embedded(fields[name], notes, text, path, name)
            notes = graph.notes
            break
    return Solver(fields, graph, fields.get("net", ""), fields.get("train_net", ""), fields.get("test_net", ()), notes)


def _upgraded(fields: Fields, text: str, path: str) -> Fields:
    """The fields with ``type`` in the place of the older ``solver_type``."""
    values = dict(fields)
    old = values.pop("solver_type", None)
    if old is None:
        return fields
    if "type" in values:
        from netgen.prototxt.places import error_at

        rule = f"a solver has a type or the older solver_type, got {values['type']!r} and {old}; keep one of them"
        raise error_at(text, path, rule, [("type", 0), ("solver_type", 0)])
    # A fork's own solver_type keeps its spelling: its type string is not known.
    return Fields({**values, "type": _TYPES.get(old, str(old))})


def _embedded(fields: Fields, notes: tuple[str, ...], text: str, path: str, name: str) -> Graph:
    from netgen.prototxt.reader import make_layer
    from netgen.upgrade import UpgradeError, upgrade

    params = dict(fields)
    layers = [make_layer(each) for each in params.pop("layer", ())]
    graph = Graph(params.pop("name") if params.get("name") else "", layers, Fields(params), notes)
    if "layers" not in params:
        return graph
    try:
        return upgrade(graph, keep_inputs=True)
    except UpgradeError as error:
        from netgen.prototxt.places import error_at

        raise error_at(text, path, str(error), [(name, 0)]) from None
