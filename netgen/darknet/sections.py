"""Caffe's layer types as Darknet's sections: the translators of ``export``, by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netgen.darknet import joined, own
from netgen.darknet.cuts import crop, pooling, slice_, strides
from netgen.darknet.outgoing import Export, Signs
from netgen.darknet.own import weigh
from netgen.errors import NetgenError
from netgen.layers.base import text

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
        raise NetgenError(f"Darknet's convolution reads one image, N x C x H x W, got {_shapes(shaped)}")
    if own.blurred(export, shaped) or own.summed_blocks(export, shaped):
        return
    options = _window(shaped)
    (blob,), (top,) = shaped.layer.bottoms, shaped.layer.tops
    signs = export.later.get(blob)
    binary = isinstance(signs, Signs) and signs.whole
    export.read(signs.source if isinstance(signs, Signs) and binary else blob)
    section = export.add("convolutional", top, "norm scale activation blur", filters=shaped.tops[0][1], **options)
    if binary:
        section.options["xnor"] = 1
    section.options["activation"] = "linear"
    weigh(export, shaped, section, shaped.tops[0][1])
    if binary:
        _check_binary(section.runs["w"])


def _window(shaped: ShapedLayer) -> dict[str, Any]:
    """The keys of a convolution's window: size, stride, pad or padding, groups and dilation."""
    kind: Any = shaped.kind
    kernel, stride, pad, dilation = kind._window(2)
    if kernel[0] != kernel[1] or pad[0] != pad[1] or dilation[0] != dilation[1]:
        found = f"kernel {text(kernel)}, pad {text(pad)}, dilation {text(dilation)}"
        raise NetgenError(f"Darknet's convolution has one size, pad and dilation for height and width, got {found}")
    reach, size = dilation[0] * (kernel[0] - 1) // 2, kernel[0]
    spread = dilation[0] > 1 and size > 1
    if spread and (size % 2 == 0 or pad[0] != reach):
        raise NetgenError(
            f"with dilation Darknet's convolution keeps the size, by an odd kernel and a pad of {reach} for this one, "
            f"got kernel {size}, pad {pad[0]}, dilation {dilation[0]}"
        )
    options = {"size": size, **strides(stride)}
    padding = size // 2 if spread else pad[0]
    if padding == size // 2:
        options["pad"] = 1
    elif padding:
        options["padding"] = padding
    if kind.fields["group"] > 1:
        options["groups"] = kind.fields["group"]
    if spread:
        options["dilation"] = dilation[0]
    return options


def _check_binary(weights: Any) -> None:
    import numpy as np

    sizes = np.abs(weights).reshape(len(weights), -1)
    # A mean of equal float32 may be off by its last bits.
    if not np.allclose(sizes, sizes.mean(axis=1, keepdims=True), rtol=1e-5, atol=0):
        raise NetgenError("Darknet's convolution of signs has weights of one size in each filter, + or -")


def _inner_product(export: Export, shaped: ShapedLayer) -> None:
    fields = shaped.kind.fields
    if fields["axis"] not in (1, 1 - len(shaped.bottoms[0])) or fields["transpose"]:
        found = f"axis: {fields['axis']}, transpose: {str(fields['transpose']).lower()}"
        raise NetgenError(f"Darknet's connected layer has axis 1 and no transpose, got {found}")
    (blob,), (top,) = shaped.layer.bottoms, shaped.layer.tops
    export.read(blob, flat=True)
    section = export.add("connected", top, "norm scale activation", output=fields["num_output"], activation="linear")
    weigh(export, shaped, section, fields["num_output"])


def _batch_norm(export: Export, shaped: ShapedLayer) -> None:
    import numpy as np

    fields, channels = shaped.kind.fields, shaped.bottoms[0][1]
    if fields.get("use_global_stats") is False:
        raise NetgenError("Darknet's batch norm has its stored statistics in testing; remove use_global_stats: false")
    section, top = export.last(shaped.layer.bottoms[0], "norm"), shaped.layer.tops[0]
    mean, variance, factor = (export.array(shaped, i) for i in range(3))
    by = np.float32(1) / factor if factor.any() else factor
    mean, variance = mean * by, variance * by + np.float32(fields["eps"] - _EPS)
    if section is None:
        export.read(shaped.layer.bottoms[0])
        section = export.add("batchnorm", top, "scale")
        export.note(shaped.layer, "a [batchnorm] of its own is written as AlexeyAB's Darknet reads it")
    else:
        # What is added before the mean is taken off is as good as a lower mean.
        section.options = {"batch_normalize": 1, **section.options}
        mean = mean - section.runs["b"]
        section.takes -= {"norm"}
    section.named(shaped)
    ones = np.ones(channels, np.float32)
    section.runs |= {"m": mean, "v": variance, "s": ones, "b": np.zeros(channels, np.float32)}
    export.held[top] = len(export.sections) - 1


def _scale(export: Export, shaped: ShapedLayer) -> None:
    fields = shaped.kind.fields
    if len(shaped.bottoms) == 2:
        _scale_channels(export, shaped)
        return
    section = export.last(shaped.layer.bottoms[0], "scale")
    if section is None or fields["axis"] not in (1, 1 - len(shaped.bottoms[0])) or fields["num_axes"] != 1:
        raise NetgenError(
            "Darknet scales channels behind a convolution, connected layer or batch norm alone, whose output nobody "
            "else reads; put a BatchNorm before it"
        )
    section.named(shaped)
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
        raise NetgenError(
            f"Darknet's scale_channels takes N x C factors with axis: 0, and no bias, got {_shapes(shaped)}"
        )
    index = export.index(whole)
    export.read(factors)
    section = export.add("scale_channels", shaped.layer.tops[0], "activation")
    section.options |= {"from": index, "activation": "linear"}


def _activation(word: Callable[[Any], str | None]) -> Translator:
    def translate(export: Export, shaped: ShapedLayer) -> None:
        name = word(shaped.kind.fields)
        if name is None:
            raise NetgenError(f"Darknet has no activation with {_given(shaped)}")
        activate(export, name, shaped.layer.bottoms[0], shaped.layer.tops[0])

    return translate


def activate(export: Export, name: str, blob: str, top: str, readers: int = 1) -> None:
    """Write an activation, as a part of the last section if it puts out the blob for these readers alone."""
    section = export.last(blob, "activation", readers)
    if section is None:
        per_channel = name.startswith("normalize")
        export.read(blob, flat=not per_channel)
        sizes = export.sizes_at(len(export.sections) - 1)
        section = export.add("activation", top)
        export.sizes[-1] = sizes
    section.options["activation"] = name
    section.takes &= {"blur"}
    export.held[top] = len(export.sections) - 1


def _threshold(export: Export, shaped: ShapedLayer) -> None:
    if shaped.kind.fields["threshold"] != 0:
        raise NetgenError(f"Darknet takes signs alone, with threshold 0, got {shaped.kind.fields['threshold']:g}")
    export.later[shaped.layer.tops[0]] = Signs(shaped.layer.bottoms[0], whole=False)


def _power(export: Export, shaped: ShapedLayer) -> None:
    """The second half of signs; all else of Power is within compositions."""
    fields, blob = shaped.kind.fields, shaped.layer.bottoms[0]
    signs = export.later.get(blob)
    if not isinstance(signs, Signs) or (fields["scale"], fields["shift"], fields["power"]) != (2, -1, 1):
        raise NetgenError(f"Darknet has 2 x - 1 of an image alone, got {_given(shaped)} for {_shapes(shaped)}")
    export.later[shaped.layer.tops[0]] = signs._replace(whole=True)


def _softmax(export: Export, shaped: ShapedLayer) -> None:
    shape = shaped.bottoms[0]
    if shaped.kind.fields["axis"] not in (1, 1 - len(shape)) or any(size != 1 for size in shape[2:]):
        raise NetgenError(
            f"Darknet's softmax is over all values of an image, N x C or N x C x 1 x 1, got {_shapes(shaped)}"
        )
    export.read(shaped.layer.bottoms[0], flat=True)
    export.add("softmax", shaped.layer.tops[0], groups=1)
    export.sizes[-1] = None


def _lrn(_export: Export, _shaped: ShapedLayer) -> None:
    raise NetgenError(
        "Darknet's normalization has another window and factor than Caffe's, those of DarknetLRN; cut before it"
    )


def _dropout(export: Export, shaped: ShapedLayer) -> None:
    if not shaped.kind.fields["scale_train"]:
        raise NetgenError("Darknet's dropout scales in training; remove scale_train: false")
    export.read(shaped.layer.bottoms[0], flat=True)
    sizes = export.sizes_at(len(export.sections) - 1)
    export.add("dropout", shaped.layer.tops[0], probability=float(shaped.kind.fields["dropout_ratio"]))
    export.sizes[-1] = sizes


def _same_values(export: Export, shaped: ShapedLayer) -> None:
    """Split, Flatten and Reshape: Darknet has the values in their old sizes, which matters to some who read them."""
    for top in shaped.layer.tops:
        export.view(top, shaped.layer.bottoms[0], shaped.layer.tops)


def _shapes(shaped: ShapedLayer) -> str:
    return " and ".join(map(text, shaped.bottoms))


def _given(shaped: ShapedLayer) -> str:
    return ", ".join(f"{name}: {value:g}" for name, value in shaped.kind.given.items()) or "its fields"


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
    "TanH": _activation(lambda _: "tanh"),
    "Threshold": _threshold,
    "ELU": _activation(lambda fields: "elu" if fields["alpha"] == 1 else None),
    "Swish": _activation(lambda fields: "swish" if fields["beta"] == 1 else None),
    "Mish": _activation(lambda _: "mish"),
    "DarknetStair": _activation(lambda _: "stair"),
    "Pooling": pooling,
    "Crop": crop,
    "Slice": slice_,
    "Concat": joined.concat,
    "Eltwise": joined.eltwise,
    "Softmax": _softmax,
    "LRN": _lrn,
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
