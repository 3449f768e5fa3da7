"""Caffe's layer types as Darknet's sections: the translators of ``export``, by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netgen.darknet import own
from netgen.darknet.cuts import crop, pooling, slice_, strides
from netgen.darknet.export import Export, Gate
from netgen.darknet.own import weigh
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.shapes import ShapedLayer

Translator = Callable[[Export, "ShapedLayer"], None]

_EPS = 1e-5  # AlexeyAB's src/blas.c, normalize_cpu


def _input(export: Export, shaped: ShapedLayer) -> None:
    for top, shape in zip(shaped.layer.tops, shaped.tops, strict=True):
        export.begin(top, shape)


def _convolution(export: Export, shaped: ShapedLayer) -> None:
    kind: Any = shaped.kind
    if len(shaped.tops) != 1 or len(shaped.bottoms[0]) != 4 or kind.fields["axis"] not in (1, -3):
        raise NetgenError("Darknet's convolution reads one image, N x C x H x W")
    kernel, stride, pad, dilation = kind._window(2)
    if kernel[0] != kernel[1] or pad[0] != pad[1] or dilation[0] != dilation[1]:
        raise NetgenError("Darknet's convolution has one size, pad and dilation for height and width")
    reach, size = dilation[0] * (kernel[0] - 1) // 2, kernel[0]
    if dilation[0] > 1 and size > 1 and (size % 2 == 0 or pad[0] != reach):
        raise NetgenError(f"with dilation Darknet's convolution keeps the size: pad {reach} of an odd kernel")
    (blob,), (top,) = shaped.layer.bottoms, shaped.layer.tops
    export.read(blob)
    section = export.add("convolutional", top, "norm scale activation", filters=shaped.tops[0][1], size=size)
    section.options |= strides(stride)
    padding = pad[0] if dilation[0] == 1 or size == 1 else size // 2
    if padding == size // 2:
        section.options["pad"] = 1
    elif padding:
        section.options["padding"] = padding
    if kind.fields["group"] > 1:
        section.options["groups"] = kind.fields["group"]
    if dilation[0] > 1 and size > 1:
        section.options["dilation"] = dilation[0]
    section.options["activation"] = "linear"
    weigh(export, shaped, section, shaped.tops[0][1])


def _inner_product(export: Export, shaped: ShapedLayer) -> None:
    fields = shaped.kind.fields
    if fields["axis"] not in (1, 1 - len(shaped.bottoms[0])) or fields["transpose"]:
        raise NetgenError("Darknet's connected layer has axis 1 and no transpose")
    (blob,), (top,) = shaped.layer.bottoms, shaped.layer.tops
    export.read(blob)
    section = export.add("connected", top, "norm scale activation", output=fields["num_output"], activation="linear")
    weigh(export, shaped, section, fields["num_output"])


def _batch_norm(export: Export, shaped: ShapedLayer) -> None:
    import numpy as np

    fields, channels = shaped.kind.fields, shaped.bottoms[0][1]
    if fields.get("use_global_stats") is False:
        raise NetgenError("Darknet's batch norm has its stored statistics in testing; remove use_global_stats: false")
    section, top = export.last(shaped, "norm"), shaped.layer.tops[0]
    mean, variance, factor = (export.array(shaped, i) for i in range(3))
    by = np.float32(1) / factor if factor.any() else factor
    mean, variance = mean * by, variance * by + np.float32(fields["eps"] - _EPS)
    if section is None:
        export.read(shaped.layer.bottoms[0])
        section = export.add("batchnorm", top, "scale")
        export.notes.append(f"{shaped.layer}: a [batchnorm] of its own is written as AlexeyAB's Darknet reads it")
    else:
        # What is added before the mean is taken off is as good as a lower mean.
        section.options = {"batch_normalize": 1, **section.options}
        mean = mean - section.runs["b"]
        section.takes -= {"norm"}
    ones = np.ones(channels, np.float32)
    section.runs |= {"m": mean, "v": variance, "s": ones, "b": np.zeros(channels, np.float32)}
    export.held[top] = len(export.sections) - 1


def _scale(export: Export, shaped: ShapedLayer) -> None:
    fields = shaped.kind.fields
    if len(shaped.bottoms) == 2:
        _scale_channels(export, shaped)
        return
    section = export.last(shaped, "scale")
    if section is None or fields["axis"] not in (1, 1 - len(shaped.bottoms[0])) or fields["num_axes"] != 1:
        raise NetgenError("Darknet scales channels behind a convolution, connected layer or batch norm alone")
    factors = export.array(shaped, 0)
    bias = export.array(shaped, 1) if fields["bias_term"] else 0 * factors
    if "s" in section.runs:
        section.runs["s"], section.runs["b"] = section.runs["s"] * factors, section.runs["b"] * factors + bias
    else:
        weights = section.runs["w"]
        section.runs["w"] = weights * factors.reshape(-1, *[1] * (weights.ndim - 1))
        section.runs["b"] = section.runs["b"] * factors + bias
    section.takes -= {"norm"}
    export.held[shaped.layer.tops[0]] = len(export.sections) - 1


def _scale_channels(export: Export, shaped: ShapedLayer) -> None:
    whole, factors = shaped.layer.bottoms
    if shaped.kind.fields["axis"] != 0 or len(shaped.bottoms[1]) != 2 or shaped.kind.fields["bias_term"]:
        raise NetgenError("Darknet's scale_channels takes N x C factors with axis: 0, and no bias")
    index = export.index(whole)
    export.read(factors)
    section = export.add("scale_channels", shaped.layer.tops[0], "activation")
    section.options |= {"from": index, "activation": "linear"}


def _activation(word: Callable[[Any], str | None]) -> Translator:
    def translate(export: Export, shaped: ShapedLayer) -> None:
        name = word(shaped.kind.fields)
        if name is None:
            raise NetgenError(f"Darknet has no activation with {dict(shaped.kind.given)}")
        _activate(export, shaped, name, shaped.layer.bottoms[0])

    return translate


def _activate(export: Export, shaped: ShapedLayer, name: str, blob: str, readers: int = 1) -> None:
    top = shaped.layer.tops[0]
    section = export.last(shaped, "activation", blob, readers)
    if section is None:
        export.read(blob)
        section = export.add("activation", top)
    section.options["activation"] = name
    section.takes = frozenset()
    export.held[top] = len(export.sections) - 1


def _bnll(export: Export, shaped: ShapedLayer) -> None:
    export.later[shaped.layer.tops[0]] = Gate(shaped.layer.bottoms[0], tanh=False)


def _tanh(export: Export, shaped: ShapedLayer) -> None:
    blob = shaped.layer.bottoms[0]
    gate = export.later.get(blob)
    if isinstance(gate, Gate) and not gate.tanh:
        del export.later[blob]
        export.later[shaped.layer.tops[0]] = gate._replace(tanh=True)
    else:
        _activate(export, shaped, "tanh", blob)


def _mish(export: Export, shaped: ShapedLayer) -> bool:
    """Whether a product is x tanh(BNLL(x)), and is written so."""
    for gate, blob in zip(shaped.layer.bottoms, reversed(shaped.layer.bottoms), strict=True):
        if export.later.get(gate) == Gate(blob, tanh=True):
            _activate(export, shaped, "mish", blob, readers=2)
            return True
    return False


def _concat(export: Export, shaped: ShapedLayer) -> None:
    sizes = {shape[:1] + shape[2:] for shape in (*shaped.bottoms, *shaped.tops)}
    if len(sizes) > 1:
        raise NetgenError("Darknet's route joins channels, axis 1")
    layers = [export.index(blob) for blob in shaped.layer.bottoms]
    export.add("route", shaped.layer.tops[0], layers=layers)


def _eltwise(export: Export, shaped: ShapedLayer) -> None:
    fields, blobs = shaped.kind.fields, list(shaped.layer.bottoms)
    coefficients = set(fields["coeff"])
    if fields["operation"] not in ("SUM", "PROD") or coefficients - {1}:
        raise NetgenError("Darknet adds or multiplies layers, without coefficients")
    if fields["operation"] == "PROD" and len(blobs) > 2:
        raise NetgenError(f"Darknet's sam multiplies two layers, got {len(blobs)}")
    if fields["operation"] == "PROD" and _mish(export, shaped):
        return
    indices = [export.index(blob) for blob in blobs]
    own = indices.index(len(export.sections) - 1) if len(export.sections) - 1 in indices else 0
    export.read(blobs[own])
    rest = indices[:own] + indices[own + 1 :]
    kind = "shortcut" if fields["operation"] == "SUM" else "sam"
    section = export.add(kind, shaped.layer.tops[0], "activation")
    section.options |= {"from": rest, "activation": "linear"}


def _softmax(export: Export, shaped: ShapedLayer) -> None:
    shape = shaped.bottoms[0]
    if shaped.kind.fields["axis"] not in (1, 1 - len(shape)) or any(size != 1 for size in shape[2:]):
        raise NetgenError("Darknet's softmax is over all values of an image, N x C or N x C x 1 x 1")
    export.read(shaped.layer.bottoms[0])
    export.add("softmax", shaped.layer.tops[0], groups=1)


def _dropout(export: Export, shaped: ShapedLayer) -> None:
    export.read(shaped.layer.bottoms[0])
    export.add("dropout", shaped.layer.tops[0], probability=float(shaped.kind.fields["dropout_ratio"]))


def _power(export: Export, shaped: ShapedLayer) -> None:
    """The 2 x - 1 of a crop that cuts nothing."""
    fields, shape = shaped.kind.fields, shaped.bottoms[0]
    if (fields["scale"], fields["shift"], fields["power"]) != (2, -1, 1) or len(shape) != 4:
        raise NetgenError("Darknet has 2 x - 1 of an image alone")
    export.read(shaped.layer.bottoms[0])
    export.add("crop", shaped.layer.tops[0], crop_height=shape[2], crop_width=shape[3])


def _same_values(export: Export, shaped: ShapedLayer) -> None:
    """Split, and Flatten or Reshape of what Darknet has flat anyway."""
    for top, shape in zip(shaped.layer.tops, shaped.tops, strict=True):
        if shape != shaped.bottoms[0] and any(size != 1 for size in shape[2:]):
            raise NetgenError("Darknet gives values no other sizes; an import with --forks has Reorg in one layer")
        export.held[top] = export.index(shaped.layer.bottoms[0])


def _nothing(_export: Export, _shaped: ShapedLayer) -> None:
    """Silence reads what nobody else does."""


_SLOPES = {0.0: "relu", 0.1: "leaky", 0.01: "relie"}
_CLIPS = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hardtan"}

TRANSLATORS: dict[str, Translator] = {
    "Input": _input,
    "Convolution": _convolution,
    "DepthwiseConvolution": _convolution,
    "InnerProduct": _inner_product,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "ReLU": _activation(lambda fields: _SLOPES.get(round(fields["negative_slope"], 7))),
    "ReLU6": _activation(lambda fields: "relu6" if (fields["n"], fields["negative_slope"]) == (6, 0) else None),
    "Clip": _activation(lambda fields: _CLIPS.get((fields["min"], fields["max"]))),
    "Sigmoid": _activation(lambda _: "logistic"),
    "TanH": _tanh,
    "BNLL": _bnll,
    "ELU": _activation(lambda fields: "elu" if fields["alpha"] == 1 else None),
    "Swish": _activation(lambda fields: "swish" if fields["beta"] == 1 else None),
    "Mish": _activation(lambda _: "mish"),
    "DarknetStair": _activation(lambda _: "stair"),
    "Pooling": pooling,
    "Crop": crop,
    "Slice": slice_,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "Softmax": _softmax,
    "Dropout": _dropout,
    "Deconvolution": own.deconvolution,
    "Upsample": own.upsample,
    "Reorg": own.reorg,
    "Power": _power,
    "Local": own.local,
    "DarknetPooling": own.darknet_pooling,
    "DarknetShortcut": own.darknet_shortcut,
    "DarknetLRN": own.darknet_lrn,
    "Split": _same_values,
    "Flatten": _same_values,
    "Reshape": _same_values,
    "Silence": _nothing,
}
"""Of each type that Darknet has a section for."""
