"""Networks of older formats become networks of today's, as Caffe reads them (upgrade_proto.cpp, UpgradeNetAsNeeded).

V0 is ``layers { layer { type: "conv" } }``, V1 is ``layers { type: CONVOLUTION }``, V2 is ``layer { type:
"Convolution" }``. Where Caffe drops what it has no place for, netgen keeps it, or tells of it in the notes.
"""

from __future__ import annotations

from typing import Any

from netgen.graph import Fields, Graph, Layer
from netgen.upgrade.common import Remarks, UpgradeError

__all__ = ["UpgradeError", "upgrade"]

_INPUT_FIELDS = ("input", "input_shape", "input_dim")


def upgrade(graph: Graph, *, keep_inputs: bool = False) -> Graph:
    """The same network in today's format: V2 layers, Input layers, BatchNorm as Caffe takes it today.

    Caffe drops an ``input`` that has no shape, and then misses its blob; ``keep_inputs`` keeps it, so that an analysis
    can be given its shape. A network that needs nothing is returned equal. Raises UpgradeError for what Caffe refuses.
    """
    params = dict(graph.params)
    remarks = Remarks()
    layers = [*_from_layers(params.pop("layers", ()), graph, remarks)]
    layers = [_batch_norm(layer) for layer in (*_inputs(params, keep_inputs, remarks), *layers)]
    return Graph(graph.name, layers, Fields(params), (*graph.notes, *remarks.texts()))


def _from_layers(old: tuple[Fields, ...], graph: Graph, remarks: Remarks) -> list[Layer]:
    """The layers of a V0 or V1 network, or those that the network has."""
    if not old:
        return list(graph.layers)
    if graph.layers:
        rule = "the net has both 'layer' (V2) and 'layers' (V0, V1) fields, which Caffe refuses"
        way_out = "write all of them as layer { type: 'Convolution' ... }"
        raise UpgradeError(f"{rule}; {way_out}", ("layer", 0), ("layers", 0))
    from netgen.upgrade.v0 import upgrade_v0
    from netgen.upgrade.v1 import upgrade_v1

    return upgrade_v1(upgrade_v0(old, graph.inputs, remarks), remarks)


def _inputs(params: dict[str, Any], keep: bool, remarks: Remarks) -> list[Layer]:
    """The Input layer for the ``input`` fields, which leave ``params`` (UpgradeNetInput)."""
    names = params.get("input", ())
    shapes = params.get("input_shape", ())
    dims = params.get("input_dim", ())
    if not names:
        return []
    if not shapes and not dims:
        rule = "no input_shape or input_dim says its shape, so it becomes no Input layer"
        remarks.add(f"input {names[0]!r}", rule + ("" if keep else ", and Caffe leaves it out"))
        if not keep:
            del params["input"]
        return []
    enough = len(shapes) if shapes else len(dims) // 4
    if enough < len(names):
        rule = f"takes an input_shape or four input_dim, got {_given(shapes, dims)} for {len(names)} inputs"
        raise UpgradeError(f"input {names[enough]!r}: {rule}; give it its shape", ("input", enough))
    if (shapes and dims) or enough > len(names) or (not shapes and len(dims) % 4):
        # What is left over has no place in an Input layer; Caffe drops it without a word.
        remarks.add(f"input {names[0]!r}", f"{_given(shapes, dims)} for {len(names)} inputs; what is over is left out")
    each = [tuple(shape.get("dim", ())) for shape in shapes] or [dims[i : i + 4] for i in range(0, len(dims), 4)]
    shape_fields = tuple(Fields({"dim": shape} if shape else {}) for shape in each[: len(names)])
    for name in _INPUT_FIELDS:
        params.pop(name, None)
    return [Layer("input", "Input", (), names, Fields({"input_param": Fields({"shape": shape_fields})}))]


def _given(shapes: tuple[Fields, ...], dims: tuple[int, ...]) -> str:
    both = ((len(shapes), "input_shape"), (len(dims), "input_dim"))
    return " and ".join(f"{number} {what}" for number, what in both if number)


def _batch_norm(layer: Layer) -> Layer:
    """The layer with its statistics out of the solver's hands, where it gives all three of them a rate."""
    specs = layer.params.get("param", ())
    if layer.type != "BatchNorm" or len(specs) != 3:
        return layer
    fixed = tuple(Fields({**spec, "lr_mult": 0.0, "decay_mult": 0.0}) for spec in specs)
    return layer.replace(params=Fields({**layer.params, "param": fixed}))
