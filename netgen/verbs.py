"""The short verbs of the builder: the layers that generators of Caffe files write, with the fields they write.

Each passes further ``fields`` on to ``Net.layer``: ``name``, ``bottom``, ``top``, ``lr_mult``, ``include``, any field
of the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.fields import Checked, checks_of
from netgen.rules import rule_of

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net
    from netgen.graph import Fields

Size = int | Sequence[int]

_CONSTANT = Checked(checks_of("InnerProductParameter")["bias_filler"]("constant"))
_ONE = Checked(checks_of("ScaleParameter")["filler"]({"value": 1.0}))
_XAVIER = Checked(checks_of("ConvolutionParameter")["weight_filler"]("xavier"))
_ZERO = Checked(checks_of("ScaleParameter")["bias_filler"]({"value": 0.0}))
_FROZEN = Checked(checks_of("LayerParameter")["param"]([{"lr_mult": 0.0, "decay_mult": 0.0}] * 3))
_SCALE = rule_of("Scale").params({"filler": _ONE, "bias_term": True, "bias_filler": _ZERO})
_SPECS = frozenset(("param", "lr_mult", "decay_mult", "param_name"))
_NAMES = frozenset(("bottom", "name", "top"))
_PADS = frozenset(("pad", "pad_h", "pad_w"))


@lru_cache(maxsize=256)
def _bn_preset(moving_average_fraction: float, eps: float) -> Fields:
    given = {"moving_average_fraction": moving_average_fraction, "eps": eps, "param": _FROZEN}
    return rule_of("BatchNorm").params(given)


@lru_cache(maxsize=1024)
def _conv_preset(num_output: int, kernel_size: int, stride: int) -> Fields | None:
    """The fields of a plain convolution, as networks have hundreds of; None where wrong: its layer says how."""
    try:
        return rule_of("Convolution").params(_conv_fields(num_output, kernel_size, stride, {}))
    except NetgenError:
        return None


def _conv_fields(num_output: int, kernel_size: Size, stride: Size, fields: dict[str, Any]) -> dict[str, Any]:
    kernel = None if "kernel_h" in fields or "kernel_w" in fields else kernel_size
    padded = not _PADS.isdisjoint(fields)
    if kernel is not None and not padded:
        fields["pad"] = same_padding(kernel, fields.get("dilation") or 1)
    elif not padded:
        dilation = _each(fields.get("dilation") or 1) or [1]
        fields["pad_h"] = same_padding(fields.get("kernel_h", 1), dilation[0])
        fields["pad_w"] = same_padding(fields.get("kernel_w", 1), dilation[-1])
    step = None if "stride_h" in fields or "stride_w" in fields else stride
    fields.setdefault("bias_term", "bias_filler" in fields)
    fields.setdefault("weight_filler", _XAVIER)
    return {"num_output": num_output, "kernel_size": kernel, "stride": step, **fields}


def _each(value: Size) -> list[int]:
    """The sizes, none for what is no size: the check of the field itself then says so."""
    sizes: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(each, bool) or not hasattr(each, "__index__") for each in sizes):
        return []
    return [int(each) for each in sizes]


def _one_or_all(sizes: list[int]) -> int | list[int]:
    return sizes[0] if len(set(sizes)) == 1 else sizes


def same_padding(kernel_size: Size, dilation: Size = 1) -> int | list[int] | None:
    """The padding with which a convolution of stride 1 and an odd kernel keeps the size; None where that is 0."""
    if type(kernel_size) is int and dilation == 1:
        return (kernel_size // 2 or None) if kernel_size % 2 else None
    kernels, dilations = _each(kernel_size), _each(dilation)
    count = max(len(kernels), len(dilations))
    kernels, dilations = (sizes * count if len(sizes) == 1 else sizes for sizes in (kernels, dilations))
    pads = [d * (k - 1) // 2 if k % 2 else 0 for k, d in zip(kernels, dilations, strict=False)]
    return _one_or_all(pads) if any(pads) else None


class Verbs:
    """The short verbs. Each also takes what ``Net.layer`` takes: name, bottom, top, include, lr_mult, any field."""

    __slots__ = ()

    if TYPE_CHECKING:

        def layer(self, type: str, **fields: Any) -> Net:
            """``Net.layer``."""

    def input(self, *shape: int | Sequence[int], name: str = "data", **fields: Any) -> Net:
        """An Input layer: ``net.input(1, 3, 224, 224)``, axes in Caffe's order, N C H W for images.

        Each call adds one input; one layer with several tops is ``net.layer("Input", top=[...], shape=[...])``.
        """
        dims = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self.layer("Input", name=name, shape=[dims], **fields)

    def conv(self, num_output: int, kernel_size: Size = 1, stride: Size = 1, **fields: Any) -> Net:
        """A Convolution, N C H W -> N num_output H/stride W/stride for odd kernels, whose ``pad`` defaults to that.

        Written without a bias (a BatchNorm usually follows) and with a xavier filler, unless told otherwise; even
        kernels have no padding unless ``pad`` is given.
        """
        if _NAMES.issuperset(fields) and type(num_output) is type(kernel_size) is type(stride) is int:
            preset = _conv_preset(num_output, kernel_size, stride)
            if preset is not None:
                return self.layer("Convolution", params=preset, **fields)
        return self.layer("Convolution", **_conv_fields(num_output, kernel_size, stride, fields))

    def deconv(self, num_output: int, kernel_size: int, stride: int = 1, **fields: Any) -> Net:
        """A Deconvolution, which multiplies the size by ``stride`` where kernel_size - stride is even.

        ``pad`` defaults to what that takes, (kernel_size - stride) / 2; no bias and a xavier filler as for ``conv``.
        """
        if _PADS.isdisjoint(fields):
            kernels, strides = _each(kernel_size), _each(stride)
            pads = [max(k - s, 0) // 2 for k, s in zip(kernels, strides, strict=False)]
            fields["pad"] = _one_or_all(pads) if any(pads) else None
        fields.setdefault("bias_term", "bias_filler" in fields)
        fields.setdefault("weight_filler", _XAVIER)
        return self.layer("Deconvolution", num_output=num_output, kernel_size=kernel_size, stride=stride, **fields)

    def bn(
        self, *, scale: bool = False, eps: float = 1e-5, moving_average_fraction: float = 0.999, **fields: Any
    ) -> Net:
        """A BatchNorm in place, its three statistics frozen as Caffe wants them; ``scale=True`` adds the Scale.

        Caffe's BatchNorm only normalizes: the learned factor and bias are the Scale's.
        """
        if not fields and type(eps) is type(moving_average_fraction) is float and eps > 0 < moving_average_fraction:
            net = self.layer("BatchNorm", params=_bn_preset(moving_average_fraction, eps))
        else:
            if _SPECS.isdisjoint(fields):
                fields["param"] = _FROZEN
            net = self.layer("BatchNorm", moving_average_fraction=moving_average_fraction, eps=eps, **fields)
        return net.scale() if scale else net

    def scale(self, *, bias_term: bool = True, **fields: Any) -> Net:
        """A Scale in place with factor 1 and bias 0 to begin with; Caffe's own default is no bias.

        With two bottoms the second is the factor, and nothing is learned but the bias if there is one.
        """
        if not fields and bias_term is True:
            return self.layer("Scale", params=_SCALE)
        bottom = fields.get("bottom")
        if not isinstance(bottom, list | tuple) or len(bottom) < 2:
            fields.setdefault("filler", _ONE)
        if bias_term:
            fields.setdefault("bias_filler", _ZERO)
        return self.layer("Scale", bias_term=bias_term, **fields)

    def relu(self, *, negative_slope: float = 0.0, **fields: Any) -> Net:
        """A ReLU in place; with a ``negative_slope`` the leaky one (Darknet's is 0.1)."""
        if negative_slope:
            fields["negative_slope"] = negative_slope
        return self.layer("ReLU", **fields)

    def pool(self, kernel_size: Size = 2, stride: Size = 2, *, pool: str = "MAX", **fields: Any) -> Net:
        """A Pooling, MAX or AVE. Caffe rounds its size up: (H + 2 pad - kernel_size) / stride + 1, 224 -> 112."""
        kernel = None if "kernel_h" in fields or "kernel_w" in fields else kernel_size
        step = None if "stride_h" in fields or "stride_w" in fields else stride
        return self.layer("Pooling", pool=pool, kernel_size=kernel, stride=step, **fields)

    def global_pool(self, *, pool: str = "AVE", **fields: Any) -> Net:
        """A Pooling over the whole of H and W, N C H W -> N C 1 1."""
        return self.layer("Pooling", pool=pool, global_pooling=True, **fields)

    def concat(self, bottom: Any = None, *, axis: int = 1, **fields: Any) -> Net:
        """A Concat of several blobs, along the channels unless told otherwise."""
        if "concat_dim" not in fields:  # Caffe's older name for it
            fields["axis"] = axis
        return self.layer("Concat", bottom=bottom, **fields)

    def eltwise(self, bottom: Sequence[Blob | str] | Any = None, *, operation: str = "SUM", **fields: Any) -> Net:
        """An Eltwise of several blobs of one shape: SUM, PROD or MAX."""
        return self.layer("Eltwise", bottom=bottom, operation=operation, **fields)

    def fc(self, num_output: int, **fields: Any) -> Net:
        """An InnerProduct, N C H W -> N num_output; with a bias, xavier and constant fillers by default."""
        fields.setdefault("bias_term", True)
        fields.setdefault("weight_filler", _XAVIER)
        if fields["bias_term"]:
            fields.setdefault("bias_filler", _CONSTANT)
        return self.layer("InnerProduct", num_output=num_output, **fields)

    def dropout(self, dropout_ratio: float = 0.5, **fields: Any) -> Net:
        """A Dropout in place, which drops values in TRAIN and does nothing in TEST."""
        return self.layer("Dropout", dropout_ratio=dropout_ratio, **fields)

    def softmax(self, **fields: Any) -> Net:
        """A Softmax over the channels (``axis=`` for another axis), named ``prob`` unless told otherwise."""
        return self.layer("Softmax", **fields)
