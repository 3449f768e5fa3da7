"""V0 to V1: ``layers { layer { type: "conv" ... } bottom: ... }`` (upgrade_proto.cpp, UpgradeV0Net)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netgen.graph import EMPTY, Fields, Literal
from netgen.schema import FIELDS
from netgen.upgrade.common import Remarks, UpgradeError, moved, shown

_SAME = ("name", "blobs", "blobs_lr", "weight_decay")
_TRANSFORM = {
    "scale": ("transform_param", "scale"),
    "meanfile": ("transform_param", "mean_file"),
    "cropsize": ("transform_param", "crop_size"),
    "mirror": ("transform_param", "mirror"),
}

_WEIGHTS = {name: name for name in ("num_output", "weight_filler", "bias_filler")} | {"biasterm": "bias_term"}
_WINDOW = {"pad": "pad", "kernelsize": "kernel_size", "stride": "stride"}
_SOURCE = {"source": "source", "batchsize": "batch_size"}
_IMAGES = {"rand_skip": "rand_skip", "shuffle_images": "shuffle", "new_height": "new_height", "new_width": "new_width"}
_DETECTION = {
    f"det_{name}": name for name in ("fg_threshold", "bg_threshold", "fg_fraction", "context_pad", "crop_mode")
}

# V0 type: V1 type, the message of its parameters, and their names there
_TYPES: dict[str, tuple[str, str, dict[str, str]]] = {
    "accuracy": ("ACCURACY", "", {}),
    "bnll": ("BNLL", "", {}),
    "concat": ("CONCAT", "concat_param", {"concat_dim": "concat_dim"}),
    "conv": ("CONVOLUTION", "convolution_param", _WEIGHTS | _WINDOW | {"group": "group"}),
    "data": ("DATA", "data_param", _SOURCE | {"rand_skip": "rand_skip"}),
    "dropout": ("DROPOUT", "dropout_param", {"dropout_ratio": "dropout_ratio"}),
    "euclidean_loss": ("EUCLIDEAN_LOSS", "", {}),
    "flatten": ("FLATTEN", "", {}),
    "hdf5_data": ("HDF5_DATA", "hdf5_data_param", _SOURCE),
    "hdf5_output": ("HDF5_OUTPUT", "hdf5_output_param", {}),
    "im2col": ("IM2COL", "", {}),
    "images": ("IMAGE_DATA", "image_data_param", _SOURCE | _IMAGES),
    "infogain_loss": ("INFOGAIN_LOSS", "infogain_loss_param", {"source": "source"}),
    "innerproduct": ("INNER_PRODUCT", "inner_product_param", _WEIGHTS),
    "lrn": ("LRN", "lrn_param", {name: name for name in ("local_size", "alpha", "beta", "k")}),
    "multinomial_logistic_loss": ("MULTINOMIAL_LOGISTIC_LOSS", "", {}),
    "pool": ("POOLING", "pooling_param", _WINDOW | {"pool": "pool"}),
    "relu": ("RELU", "", {}),
    "sigmoid": ("SIGMOID", "", {}),
    "softmax": ("SOFTMAX", "", {}),
    "softmax_loss": ("SOFTMAX_LOSS", "", {}),
    "split": ("SPLIT", "", {}),
    "tanh": ("TANH", "", {}),
    "window_data": ("WINDOW_DATA", "window_data_param", _SOURCE | _DETECTION),
}


def upgrade_v0(layers: Sequence[Fields], inputs: Iterable[str], remarks: Remarks) -> list[tuple[int, Fields]]:
    """The V1 layers, each with its place among the layers given; those of V1 stay as they are.

    Caffe loses the type and the fields of a V1 layer that stands among V0 layers; here it keeps them.
    """
    if not any("layer" in each for each in layers):
        return list(enumerate(layers))
    unpadded = _without_padding(layers, inputs, remarks)
    return [(index, _layer(each, index, remarks) if "layer" in each else each) for index, each in unpadded]


def _without_padding(layers: Sequence[Fields], inputs: Iterable[str], remarks: Remarks) -> list[tuple[int, Fields]]:
    """The layers without the padding layers, whose pad goes to the layers that read them (UpgradeV0PaddingLayers)."""
    writers: dict[str, int | None] = dict.fromkeys(inputs)
    unread: dict[int, str] = {}
    result = []
    for index, connection in enumerate(layers):
        # Whatever nobody made is kept: wiring is not the upgrade's matter.
        sources = [writers.get(bottom) for bottom in connection.get("bottom", ())]
        padding = [source for source in sources if source is not None and _is_padding(layers[source])]
        each = connection
        for source in padding:
            unread.pop(source, None)
            each = _padded(connection, layers[source], index)
        if _is_padding(connection):
            unread[index] = shown(connection)
        else:
            result.append((index, each))
        writers.update(dict.fromkeys(connection.get("top", ()), index))
    for where in unread.values():
        remarks.add(where, "no layer reads this padding, so it is left out")
    return result


def _is_padding(connection: Fields) -> bool:
    return bool(connection.get("layer", EMPTY).get("type") == "padding")


def _padded(connection: Fields, padding: Fields, index: int) -> Fields:
    """A convolution or pooling with the pad and the bottom of the padding layer before it."""
    own = connection.get("layer", EMPTY)
    if own.get("type") not in ("conv", "pool"):
        rule = f"reads the padding of {shown(padding)}, and only conv and pool layers may"
    elif len(connection["bottom"]) != 1:
        rule = f"reads padding, and then takes one bottom, got {len(connection['bottom'])}"
    elif len(padding.get("bottom", ())) != 1 or len(padding.get("top", ())) != 1:
        rule = f"reads the padding of {shown(padding)}, which must have one bottom and one top"
    else:
        return Fields(
            {**connection, "bottom": padding["bottom"], "layer": Fields({**own, "pad": padding["layer"].get("pad", 0)})}
        )
    raise UpgradeError(f"{shown(connection)}: {rule}; write the pad into the layer itself", ("layers", index))


def _layer(connection: Fields, index: int, remarks: Remarks) -> Fields:
    """The V1 layer that a V0 layer stands for (UpgradeV0LayerParameter)."""
    own = connection["layer"]
    where = shown(connection)
    type_name = own.get("type", "")
    v1_type, message, names = _TYPES.get(type_name, (Literal(type_name), "", {}))
    places = {old: (message, new) for old, new in names.items()} | _TRANSFORM
    values = {name: value for name, value in connection.items() if name != "layer"}
    rest = {}
    for name, value in own.items():
        if name in places:
            into, field = places[name]
            values[into] = Fields({**values.get(into, EMPTY), field: _one_or_more(into, field, value)})
        elif name == "type":
            values[name] = v1_type
        elif name in _SAME or (name == message == "hdf5_output_param"):
            values[name] = value
        elif type_name in _TYPES and name in FIELDS["V0LayerParameter"]:
            remarks.add(where, f"a layer of type {type_name!r} has no {name!r}, and Caffe leaves it out")
        else:
            rest[name] = value
    if type_name and type_name not in _TYPES:
        remarks.add(where, f"the V0 type {type_name!r} is not known and is kept as it is")
    unknown = moved(rest, "V0LayerParameter", "V1LayerParameter", where, index)
    if twice := values.keys() & unknown.keys():
        rule = f"field {min(twice)!r} is given twice, in 'layers' and in its 'layer'; keep one of them"
        raise UpgradeError(f"{where}: {rule}", ("layers", index))
    return Fields({**values, **unknown})


def _one_or_more(message: str, name: str, value: Any) -> Any:
    """A value as its field of a V1 parameter message takes it: convolutions have one kernel_size for each axis."""
    of = FIELDS["V1LayerParameter"][message][3]
    return (value,) if of and FIELDS[of][name][1] == "repeated" else value
