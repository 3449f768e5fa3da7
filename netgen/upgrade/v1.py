"""V1 to V2: ``layers { type: CONVOLUTION blobs_lr: ... }`` (upgrade_proto.cpp, UpgradeV1Net)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netgen.graph import EMPTY, Fields, Layer, Literal
from netgen.prototxt.reader import make_layer
from netgen.schema import ENUMS, FIELDS
from netgen.upgrade.common import Remarks, moved, shown

_NUMBERS = ENUMS["V1LayerParameter.LayerType"]
# The last type of Caffe's own; every fork counts on from here for itself.
LAST_OF_CAFFE = _NUMBERS["DECONVOLUTION"]

# Where the V2 type is not the V1 type's words with capitals
_NAMES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "CONVOLUTION3D": "Convolution3D",
    "DECONVOLUTION3D": "Deconvolution3D",
    "DENSE_CRF": "DenseCRF",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "ONEHOT": "OneHot",
    "POOLING3D": "Pooling3D",
    "RELU": "ReLU",
    "RELU6": "ReLU6",
    "ROIPOOLING": "ROIPooling",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}

# V1 field, with one value for each weight: the field of V2's ParamSpec
_SPECS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}

# Data layers, and what once was theirs and is transform_param's now
_DATA = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_TRANSFORM = ("scale", "mean_file", "crop_size", "mirror")


def upgrade_v1(layers: Sequence[tuple[int, Fields]], remarks: Remarks) -> list[Layer]:
    """The V2 layers; each V1 layer comes with its place in the file."""
    needs_transform = any(_has_old_transform(each) for _, each in layers)
    return [_layer(_transformed(each) if needs_transform else each, index, remarks) for index, each in layers]


def _layer(fields: Fields, index: int, remarks: Remarks) -> Layer:
    """The V2 layer that a V1 layer stands for (UpgradeV1LayerParameter)."""
    where = shown(fields)
    values: dict[str, Any] = {}
    rest = {}
    for name, value in fields.items():
        if name == "type":
            values[name] = _type(value, where, remarks)
        elif name in _SPECS:
            continue
        elif _is_same(name):
            values[name] = value
        else:
            rest[name] = value
            if name in FIELDS["V1LayerParameter"]:
                remarks.add(where, f"field {name!r} of a fork has no place in the V2 format and is kept as it is")
    if specs := _specs(fields):
        values["param"] = specs
    if rest:
        values.update(moved(rest, "V1LayerParameter", "LayerParameter", where, index))
    return make_layer(Fields(values))


def _is_same(name: str) -> bool:
    """Whether V1 and V2 take the same values under this name."""
    old = FIELDS["V1LayerParameter"].get(name)
    new = FIELDS["LayerParameter"].get(name)
    return old is not None and new is not None and old[1:4] == new[1:4]


def _type(v1_type: str, where: str, remarks: Remarks) -> str:
    """The V2 type; one that no schema knows keeps its spelling, for it may mean anything."""
    if isinstance(v1_type, Literal):
        return str(v1_type)
    name = _NAMES.get(v1_type)
    if name is None:
        name = "".join(word.capitalize() for word in v1_type.split("_"))
    if _NUMBERS[v1_type] > LAST_OF_CAFFE:
        remarks.add(where, f"type {v1_type} is a fork's; in V2 it is taken to be {name!r}")
    return name


def _specs(fields: Fields) -> tuple[Fields, ...]:
    """V2's ``param`` blocks of what V1 lists weight by weight."""
    specs: list[dict[str, Any]] = []
    for old, new in _SPECS.items():
        for i, value in enumerate(fields.get(old, ())):
            if i == len(specs):
                specs.append({})
            specs[i][new] = value
    return tuple(Fields(spec) for spec in specs)


def _has_old_transform(fields: Fields) -> bool:
    return any(name in fields.get(_DATA.get(fields.get("type", ""), ""), EMPTY) for name in _TRANSFORM)


def _transformed(fields: Fields) -> Fields:
    """A data layer with its transformation in transform_param (UpgradeNetDataTransformation).

    As soon as one layer of the net needs it, Caffe gives every data layer both messages, empty or not.
    """
    message = _DATA.get(fields.get("type", ""))
    if message is None:
        return fields
    parameters = dict(fields.get(message, EMPTY))
    old = {name: parameters.pop(name) for name in _TRANSFORM if name in parameters}
    transform = Fields({**fields.get("transform_param", EMPTY), **old})
    return Fields({**fields, message: Fields(parameters), "transform_param": transform})
