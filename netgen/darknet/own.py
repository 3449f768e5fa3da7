"""Resizing layers and Darknet's own types as sections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netgen.darknet.convolutions import BLURS
from netgen.darknet.cuts import strides
from netgen.darknet.outgoing import sizes_of
from netgen.errors import NetgenError
from netgen.layers.base import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.darknet.outgoing import Export, Section
    from netgen.shapes import ShapedLayer


def weigh(export: Export, shaped: ShapedLayer, section: Section, outputs: int) -> None:
    """Take a layer's weights and bias, 0 where it has none."""
    import numpy as np

    section.named(shaped)
    section.runs["w"] = export.array(shaped, 0)
    section.runs["b"] = export.array(shaped, 1) if len(shaped.weights) > 1 else np.zeros(outputs, np.float32)


def deconvolution(export: Export, shaped: ShapedLayer) -> None:
    """An upsampling by one factor."""
    kind: Any = shaped.kind
    kernel, stride, pad, dilation = kind._window(2)
    channels, fields = shaped.bottoms[0][1], kind.fields
    if not fields["group"] == fields["num_output"] == channels or len({*kernel, *stride}) != 1 or any(pad):
        found = f"group {fields['group']}, kernel {text(kernel)}, stride {text(stride)}, pad {text(pad)}"
        raise NetgenError(
            f"Darknet upsamples alone: group and num_output of the channels, {channels}, kernel_size = stride, no pad, "
            f"got num_output {fields['num_output']}, {found}"
        )
    if fields["bias_term"] or max(dilation) > 1:
        raise NetgenError("Darknet upsamples without a bias or dilation")
    low, high = _range(export, shaped)
    if low != high:
        found = "" if export.weights is None else f", and the weights go from {low:g} to {high:g}"
        raise NetgenError(f"Darknet upsamples by one factor{found}; give such weights, or a constant weight_filler")
    _resize(export, shaped, stride[0], low)


def _resize(export: Export, shaped: ShapedLayer, stride: int, scale: float) -> None:
    export.read(shaped.layer.bottoms[0])
    section = export.add("upsample", shaped.layer.tops[0], stride=stride)
    if scale != 1:
        section.options["scale"] = scale


def _range(export: Export, shaped: ShapedLayer) -> tuple[float, float]:
    """The least and largest of the weights, without them those that the filler gives."""
    if export.weights is not None:
        values = export.array(shaped, 0)
        return float(values.min()), float(values.max())
    filler = shaped.kind.given.get("weight_filler", {})
    value = float(filler.get("value", 0.0))
    return value, value if filler.get("type", "constant") == "constant" else math.inf


def summed_blocks(export: Export, shaped: ShapedLayer) -> bool:
    """Whether a convolution sums the blocks of each channel, and is written as an upsampling with a negative stride.

    The weights tell; without them the name does that an import gives it, for others are yet to be learned.
    """
    kind: Any = shaped.kind
    kernel, stride, pad, dilation = kind._window(2)
    if not _is_depthwise(shaped) or len({*kernel, *stride}) != 1 or any(pad) or max(dilation) > 1 or kernel[0] < 2:
        return False
    low, high = _range(export, shaped)
    if low != high or low == 0 or (export.weights is None and not shaped.layer.name.endswith("-upsample")):
        return False
    _resize(export, shaped, -stride[0], low)
    return True


def blurred(export: Export, shaped: ShapedLayer) -> bool:
    """Whether a convolution is the antialiasing of the section before it, and becomes a part of that.

    The weights tell; without them the name does that an import gives it.
    """
    kind: Any = shaped.kind
    kernel, stride, pad, dilation = kind._window(2)
    blob, top = shaped.layer.bottoms[0], shaped.layer.tops[0]
    number = next((i for i, each in BLURS.items() if ((each[0],) * 2, (each[1],) * 2) == (kernel, pad)), 0)
    if not number or not _is_depthwise(shaped) or max(dilation) > 1 or not _is_blur(export, shaped, BLURS[number][2]):
        return False
    section = export.last(blob, "blur")
    if section is None or section.options.get("stride") != 1:
        return False
    del section.options["stride"]
    section.options |= {**strides(stride), "antialiasing": number}
    section.takes = frozenset()
    last = len(export.sections) - 1
    # What the section put out before has other sizes, and no name any more.
    export.held = {name: index for name, index in export.held.items() if index != last} | {top: last}
    export.sizes[-1] = sizes_of(shaped.tops[0])
    return True


def _is_blur(export: Export, shaped: ShapedLayer, line: Sequence[float]) -> bool:
    if export.weights is None:
        return shaped.layer.name.endswith("-blur")
    wanted = [a * b for a in line for b in line]
    return bool((export.array(shaped, 0).reshape(-1, len(wanted)) == wanted).all())


def _is_depthwise(shaped: ShapedLayer) -> bool:
    """Whether a convolution has one filter for each channel, and no bias."""
    fields, channels = shaped.kind.fields, shaped.bottoms[0][1]
    return bool(fields["group"] == fields["num_output"] == channels and not fields["bias_term"])


def upsample(export: Export, shaped: ShapedLayer) -> None:
    """Nearest upsampling."""
    if len(shaped.bottoms) != 1:
        raise NetgenError("Darknet upsamples without a mask")
    export.read(shaped.layer.bottoms[0])
    kind: Any = shaped.kind
    export.add("upsample", shaped.layer.tops[0], stride=kind.repeats())


def reorg(export: Export, shaped: ShapedLayer) -> None:
    """Darknet's own reordering."""
    export.read(shaped.layer.bottoms[0])
    section = export.add("reorg", shaped.layer.tops[0], stride=shaped.kind.fields["stride"])
    if shaped.kind.fields["reverse"]:
        section.options["reverse"] = 1


def local(export: Export, shaped: ShapedLayer) -> None:
    """Filters of their own at each place."""
    fields, (_, filters, *sides) = shaped.kind.fields, shaped.tops[0]
    if fields["pad"] and 2 * fields["pad"] != fields["kernel_size"] - 1:
        raise NetgenError(f"Darknet's local has a pad of (kernel_size - 1) / 2, or none, got {fields['pad']}")
    if fields["pad"] > 1:
        raise NetgenError(f"Darknet's local pads by 1 at most, got {fields['pad']}")
    export.read(shaped.layer.bottoms[0])
    options = {"filters": filters, "size": fields["kernel_size"], "stride": fields["stride"], "pad": fields["pad"]}
    section = export.add("local", shaped.layer.tops[0], "activation")
    section.options |= {**options, "activation": "linear"}
    weigh(export, shaped, section, filters * sides[0] * sides[1])
    if export.weights is not None:
        section.runs["w"] = section.runs["w"].reshape(filters, -1, section.runs["w"].shape[-1]).transpose(2, 0, 1)


def darknet_pooling(export: Export, shaped: ShapedLayer) -> None:
    """Windows with Darknet's padding."""
    fields = shaped.kind.fields
    export.read(shaped.layer.bottoms[0])
    section = export.add("maxpool" if fields["pool"] == "MAX" else "local_avgpool", shaped.layer.tops[0])
    section.options |= {"size": fields["kernel_size"], **strides((fields["stride_h"], fields["stride_w"]))}
    section.options["padding"] = fields["padding"]


def darknet_shortcut(export: Export, shaped: ShapedLayer) -> None:
    """A sum of layers of different sizes."""
    own, other = shaped.layer.bottoms
    index, fields = export.index(other), shaped.kind.fields
    export.read(own)
    section = export.add("shortcut", shaped.layer.tops[0], "activation")
    section.options |= {"from": [index], "activation": "linear"}
    section.options |= {key: float(fields[key]) for key in ("alpha", "beta") if fields[key] != 1}


def darknet_lrn(export: Export, shaped: ShapedLayer) -> None:
    """Normalization with Darknet's window."""
    fields = shaped.kind.fields
    export.read(shaped.layer.bottoms[0])
    factors = {"alpha": float(fields["alpha"]), "beta": float(fields["beta"]), "kappa": float(fields["k"])}
    export.add("normalization", shaped.layer.tops[0], size=fields["local_size"]).options |= factors
