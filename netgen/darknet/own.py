"""Resizing layers and Darknet's own types as sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.darknet.cuts import strides
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.darknet.export import Export, Section
    from netgen.shapes import ShapedLayer


def weigh(export: Export, shaped: ShapedLayer, section: Section, outputs: int) -> None:
    """Take a layer's weights and bias, 0 where it has none."""
    import numpy as np

    section.runs["w"] = export.array(shaped, 0)
    section.runs["b"] = export.array(shaped, 1) if len(shaped.weights) > 1 else np.zeros(outputs, np.float32)


def deconvolution(export: Export, shaped: ShapedLayer) -> None:
    """An upsampling by one factor."""
    kind: Any = shaped.kind
    kernel, stride, pad, dilation = kind._window(2)
    channels, fields = shaped.bottoms[0][1], kind.fields
    if not fields["group"] == fields["num_output"] == channels or len({*kernel, *stride}) != 1 or any(pad):
        raise NetgenError("Darknet upsamples alone: group and num_output of the channels, kernel_size = stride, no pad")
    if fields["bias_term"] or max(dilation) > 1:
        raise NetgenError("Darknet upsamples without a bias or dilation")
    export.read(shaped.layer.bottoms[0])
    section = export.add("upsample", shaped.layer.tops[0], stride=stride[0])
    scale = _constant(export, shaped)
    if scale != 1:
        section.options["scale"] = scale


def _constant(export: Export, shaped: ShapedLayer) -> float:
    filler = shaped.kind.given.get("weight_filler", {})
    if export.weights is not None:
        values = export.array(shaped, 0)
        low, high = float(values.min()), float(values.max())
    else:
        low = high = float(filler.get("value", 0.0))
        if filler.get("type", "constant") != "constant":
            raise NetgenError("Darknet upsamples by one factor; give the weights, or a constant weight_filler")
    if low != high:
        raise NetgenError(f"Darknet upsamples by one factor, and the weights go from {low:g} to {high:g}")
    return low


def upsample(export: Export, shaped: ShapedLayer) -> None:
    """Nearest upsampling."""
    if len(shaped.bottoms) != 1:
        raise NetgenError("Darknet upsamples without a mask")
    export.read(shaped.layer.bottoms[0])
    export.add("upsample", shaped.layer.tops[0], stride=shaped.kind.fields["scale"])


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
        raise NetgenError("Darknet's local has a pad of (kernel_size - 1) / 2, or none")
    if fields["pad"] > 1:
        raise NetgenError("Darknet's local pads by 1 at most")
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
    section.options |= {"from": index, "activation": "linear"}
    section.options |= {key: float(fields[key]) for key in ("alpha", "beta") if fields[key] != 1}


def darknet_lrn(export: Export, shaped: ShapedLayer) -> None:
    """Normalization with Darknet's window."""
    fields = shaped.kind.fields
    export.read(shaped.layer.bottoms[0])
    factors = {"alpha": float(fields["alpha"]), "beta": float(fields["beta"]), "kappa": float(fields["k"])}
    export.add("normalization", shaped.layer.tops[0], size=fields["local_size"]).options |= factors
