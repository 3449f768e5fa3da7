"""Pelee: PeleeNet as a detector, SSD with a residual block before each prediction (Wang, Li and Ling, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from netgen.nets.ssd import TALL, checked

from netgen.blocks import Source, conv_block, dense, multibox_head, ssd_conv, ssd_extra, stem, transition
from netgen.blocks.pelee import AUTHORS
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, per_item

if TYPE_CHECKING:
    from netgen.branching import Blob


def pelee_ssd(
    size: int | tuple[int, int] = 304,
    classes: int = 21,
    growth_rate: int = 32,
    layers: Sequence[int] = (3, 4, 8, 6),
    bottleneck_widths: Sequence[int] = (1, 2, 4, 4),
    scales: Sequence[float] = (7, 15, 33, 51, 69, 87, 105),
    folded: bool = True,
    eps: float = 1e-5,
) -> Net:
    """Pelee, PeleeNet with an SSD head: 1 3 304 304 -> 1 1 D 7 detections out of 5,142 priors.

    The predictions come from maps of 1/16 (twice), 1/32, 1/64 of the input and two smaller ones, each through a
    residual block of 256 channels. ``classes`` counts the background, 21 for VOC and 81 for COCO; ``scales`` are the
    sizes of the priors in percent of the input's smaller side, each source from its own to the next; ``size`` is 257 or
    more; ``growth_rate``, ``layers`` and ``bottleneck_widths`` are PeleeNet's, for its four stages. ``folded`` has each
    BatchNorm and Scale folded into its convolution, as the authors' deploy file and its weights; without, they are
    there to train, and ``eps`` is that of every BatchNorm.

    Paper: arXiv 1804.06882, section 3; names and fields are those of Robert-JunWang/Pelee
    (model/voc/deploy_merged.prototxt), so that its weights load, but for the fractions of the priors' sizes there
    (21.28 for 21), which Caffe drops and OpenCV keeps. With the defaults: 5,417,188 learned weights and
    1,204,968,960 multiply-adds; with 81 classes 5,972,308 and 1,283,950,080 (published for COCO: 1,290 M).
    """
    sides, boxes = checked("pelee_ssd", size, classes, scales, 6, 257)
    at_least(2, "pelee_ssd", growth_rate=growth_rate, even=True)
    per_item(1, "pelee_ssd", count=4, layers=layers, bottleneck_widths=bottleneck_widths)
    above_zero("pelee_ssd", eps=eps)

    net = Net("Pelee_SSD").input(1, 3, *sides)
    maps = _trunk(net, growth_rate, layers, bottleneck_widths, {"folded": folded, "eps": eps})
    extra = partial(ssd_conv, relu="{}/relu")
    maps.append(ssd_extra(net, 256, 256, names=("stage4_tb/relu/ext1/fe1_1", "ext1/fe1_2"), conv=extra))
    for i in (2, 3):
        names = f"ext1/fe{i}_1", f"ext1/fe{i}_2"
        maps.append(ssd_extra(net, 128, 256, names=names, stride=1, pad=0, conv=extra))
    conv = partial(conv_block, folded=folded, eps=eps)
    ends = [_predictor(net.at(each), conv, f"stage4_tb/ext/pm{i}") for i, each in enumerate(maps, start=2)]
    sources = [
        Source(end, low, high, TALL, name=f"ext/pm{i}", priors=6)
        for i, (end, (low, high)) in enumerate(zip([ends[0], *ends], boxes, strict=True), start=1)
    ]
    multibox_head(net, sources, classes, kernel_size=1)
    return net


def _trunk(
    net: Net, growth_rate: int, layers: Sequence[int], bottleneck_widths: Sequence[int], conv: dict[str, Any]
) -> list[Blob]:
    """PeleeNet with the authors' names and poolings; the ends of its last two stages, before any pooling."""
    stem(net, names=AUTHORS, **conv)
    channels = 32
    ends = []
    for i, (count, width_factor) in enumerate(zip(layers, bottleneck_widths, strict=True), start=1):
        for j in range(1, count + 1):
            dense(net, growth_rate, growth_rate // 2 * width_factor, name=f"stage{i}_{j}", names=AUTHORS, **conv)
        channels += count * growth_rate
        ends.append(transition(net, channels, name=f"stage{i}_tb", pool=None, **conv))
        if i < len(layers):
            net.pool(2, 2, pool="AVE", name=f"stage{i}_tb/pool")
    return ends[-2:]


def _predictor(net: Net, conv: Any, name: str) -> Blob:
    """The residual block before a prediction: N C H W -> N 256 H W (figure 4 of the paper)."""
    start = net.last
    straight = conv(net, 256, 1, name=name, relu=False)
    conv(net.at(start), 128, 1, name=f"{name}/b2a")
    conv(net, 128, 3, name=f"{name}/b2b")
    end = conv(net, 256, 1, name=f"{name}/b2c", relu=False)
    return net.eltwise([straight, end], name=f"{name}/res").relu(name=f"{name}/res/relu").last
