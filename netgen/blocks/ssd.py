"""SSD's blocks (Liu et al., ECCV 2016): convolutions with biases, extra layers, and the head of many boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.blocks.declare import block
from netgen.errors import NetgenError
from netgen.fields import shown

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net

VARIANCE = (0.1, 0.1, 0.2, 0.2)
"""What encoded boxes are divided by: centre x and y, width and height."""
BIAS_TWICE = {"lr_mult": (1.0, 2.0), "decay_mult": (1.0, 0.0)}
"""The ParamSpecs of most published SSD files: biases learn twice as fast and do not decay."""


class Source(NamedTuple):
    """A feature map that an SSD head predicts from, and the priors of each of its cells.

    Sizes are in pixels of the input, and Caffe's PriorBox drops their fractions. Each ``min_size`` gives a box for
    ratio 1, each aspect ratio and its inverse, and each ``max_size`` another square between the two.
    """

    blob: Blob | str
    min_size: float | Sequence[float]
    max_size: float | Sequence[float] = ()
    aspect_ratio: Sequence[float] = (2.0,)
    step: float | None = None
    """The distance between cells in pixels; left to PriorBox when None, which divides the image by the map."""
    name: str = ""
    """What names of layers begin with, the blob's name when empty."""
    priors: int | None = None
    """How many priors a cell has, to be checked against the rest."""


def priors_per_cell(source: Source, *, flip: bool = True) -> int:
    """The number of priors that PriorBox puts on each cell of a source.

    A ratio of 1 and a repeated one add none; ``flip`` adds the inverse of each. Raises NetgenError where PriorBox would
    refuse the sizes, and when ``source.priors`` says otherwise.

    >>> priors_per_cell(Source("conv4_3_norm", 30, 60)), priors_per_cell(Source("fc7", 60, 111, (2, 3)))
    (4, 6)
    """
    from netgen.layers.detection import prior_ratios

    least, most = _each(source.min_size), _each(source.max_size)
    if not least or min(least) <= 0:
        raise NetgenError(f"min_size must be given, above 0, got {shown(source.min_size)}")
    if most and len(most) != len(least):
        raise NetgenError(f"max_size must be given for each min_size ({len(least)}) or not at all, got {len(most)}")
    if any(high <= low for low, high in zip(least, most, strict=False)):
        raise NetgenError(f"max_size must be above its min_size, got {shown(source.max_size)} for {source.min_size}")
    if any(ratio <= 0 for ratio in source.aspect_ratio):
        raise NetgenError(f"each aspect_ratio must be above 0, got {shown(source.aspect_ratio)}")
    ratios = prior_ratios(source.aspect_ratio, flip=flip)
    priors = len(ratios) * len(least) + len(most)
    if source.priors not in (None, priors):
        raise NetgenError(
            f"priors must be what PriorBox makes, {len(ratios)} aspect ratios (1 and those given{_flipped(flip)}) x "
            f"{len(least)} min_size + {len(most)} max_size = {priors}, got {source.priors}; give priors={priors}"
        )
    return priors


@block
def ssd_conv(
    net: Net, num_output: int, kernel_size: int = 3, stride: int = 1, *, name: str, relu: str = "{}_relu", **fields: Any
) -> Blob:
    """Convolution with a bias and a ReLU in place, named after ``relu``: N C H W -> N num_output H/stride W/stride."""
    net.conv(num_output, kernel_size, stride, name=name, **{"bias_filler": "constant", **BIAS_TWICE, **fields})
    return net.relu(name=relu.format(name)).last


@block
def ssd_extra(
    net: Net,
    narrow: int,
    num_output: int,
    *,
    names: tuple[str, str],
    kernel_size: int = 3,
    stride: int = 2,
    pad: int = 1,
    conv: Callable[..., Blob] = ssd_conv,
) -> Blob:
    """One of SSD's extra layers, a 1x1 convolution to ``narrow`` and a larger one: N C H W -> N num_output h w.

    h is (H + 2 pad - kernel_size) / stride + 1, rounded down. ``conv`` is the block that makes both.
    """
    conv(net, narrow, 1, name=names[0])
    return conv(net, num_output, kernel_size, stride, pad=pad or None, name=names[1])


@block
def multibox_head(
    net: Net,
    sources: Sequence[Source],
    classes: int,
    *,
    data: Blob | str = "data",
    kernel_size: int = 3,
    flip: bool = True,
    clip: bool = False,
    weight_filler: str = "xavier",
    detection: dict[str, Any] | None = None,
) -> Blob:
    """SSD's head: boxes and scores of every prior of every source, decoded to 1 1 D 7 detections.

    From each source a convolution to 4 places a prior and one to ``classes`` scores (the background is one of them),
    permuted to N H W C and flattened, and a PriorBox; joined to ``mbox_loc`` (N 4P), ``mbox_conf`` (N P classes) and
    ``mbox_priorbox`` (1 2 4P); a Softmax over the classes, and a DetectionOutput, whose fields ``detection`` changes.
    Names are those of weiliu89/caffe. Raises NetgenError naming the source whose priors are wrong.
    """
    if not sources or classes < 2:
        raise NetgenError(
            f"block 'multibox_head': there must be a source or more, and 2 classes or more with the background, "
            f"got {len(sources)} and {classes}"
        )
    ends: dict[str, list[Blob]] = {"loc": [], "conf": [], "priorbox": []}
    for source in sources:
        name = f"{source.name or source.blob}_mbox"
        try:
            priors = priors_per_cell(source, flip=flip)
        except NetgenError as error:
            raise NetgenError(f"block 'multibox_head': source {str(source.blob)!r}: {error}") from None
        for kind, values in (("loc", 4), ("conf", classes)):
            made = _predicted(net, source, f"{name}_{kind}", priors * values, kernel_size, weight_filler)
            ends[kind].append(made)
        ends["priorbox"].append(_priors(net, source, f"{name}_priorbox", data, flip, clip))
    for kind, axis in (("loc", 1), ("conf", 1), ("priorbox", 2)):
        net.concat(ends[kind], axis=axis, name=f"mbox_{kind}")
    return _detections(net, classes, detection or {})


def _predicted(net: Net, source: Source, name: str, num_output: int, kernel_size: int, weight_filler: str) -> Blob:
    fields: dict[str, Any] = {"bias_filler": "constant", "weight_filler": weight_filler, **BIAS_TWICE}
    net.conv(num_output, kernel_size, bottom=source.blob, name=name, **fields)
    return net.permute(order=[0, 2, 3, 1], name=f"{name}_perm").flatten(axis=1, name=f"{name}_flat").last


def _priors(net: Net, source: Source, name: str, data: Blob | str, flip: bool, clip: bool) -> Blob:
    return net.prior_box(
        [source.blob, data],
        min_size=_each(source.min_size),
        max_size=_each(source.max_size) or None,
        aspect_ratio=list(source.aspect_ratio),
        flip=flip,
        clip=clip,
        variance=VARIANCE,
        step=source.step,
        offset=0.5,
        name=name,
    ).last


def _detections(net: Net, classes: int, changed: dict[str, Any]) -> Blob:
    net.reshape("mbox_conf", shape={"dim": [0, -1, classes]}, name="mbox_conf_reshape")
    net.softmax(axis=2, name="mbox_conf_softmax").flatten(axis=1, name="mbox_conf_flatten")
    fields = {
        "num_classes": classes,
        "share_location": True,
        "background_label_id": 0,
        "nms_param": {"nms_threshold": 0.45, "top_k": 400},
        "code_type": "CENTER_SIZE",
        "keep_top_k": 200,
        "confidence_threshold": 0.01,
    }
    bottoms = ["mbox_loc", "mbox_conf_flatten", "mbox_priorbox"]
    return net.detection_output(bottoms, **{**fields, **changed}, include="TEST", name="detection_out").last


def _each(sizes: float | Sequence[float]) -> list[float]:
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]  # type: ignore[list-item]


def _flipped(flip: bool) -> str:
    return ", each with its inverse" if flip else ""
