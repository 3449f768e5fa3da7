"""PeleeNet: dense layers made cheap enough for cameras and phones (Wang, Li and Ling, NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from netgen.blocks import classifier, dense, stem, transition
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width, one_of, per_item


def peleenet(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    growth_rate: int = 32,
    layers: Sequence[int] = (3, 4, 8, 6),
    bottleneck_widths: Sequence[int] = (1, 2, 4, 4),
    pool: str = "MAX",
    eps: float = 1e-3,
    stem_channels: int = 32,
) -> Net:
    """PeleeNet, a DenseNet variant for small devices: 1 3 224 224 -> 1 1000.

    ``layers`` is the number of dense layers in each stage, each adding ``growth_rate`` channels behind bottlenecks
    of ``growth_rate`` / 2 x the stage's entry of ``bottleneck_widths`` channels; ``pool`` is how the transitions pool
    (MAX or AVE), ``eps`` that of every BatchNorm. ``size`` is the input's height and width. Each stage but the last
    halves the size, four times in all behind the stem's two.

    Paper: arXiv 1804.06882, tables 1 and 2. With the defaults: 2,802,248 learned weights and 507,757,568
    multiply-adds in convolutions and the InnerProduct (published: 2.8 M and 508 M). The authors' own prototxt pools
    AVE in its transitions, has eps 1e-5, and joins the stem in the other order.
    """
    height, width = height_and_width("peleenet", size)
    at_least(1, "peleenet", classes=classes)
    at_least(2, "peleenet", growth_rate=growth_rate, stem_channels=stem_channels, even=True)
    one_of(("MAX", "AVE"), "peleenet", pool=pool)
    above_zero("peleenet", eps=eps)
    per_item(1, "peleenet", layers=layers)
    per_item(1, "peleenet", count=len(layers), bottleneck_widths=bottleneck_widths)

    net = Net("PeleeNet").input(1, 3, height, width)
    stem(net, stem_channels, eps=eps)
    channels = stem_channels
    for i, (count, width_factor) in enumerate(zip(layers, bottleneck_widths, strict=True), start=1):
        bottleneck = growth_rate // 2 * width_factor
        for j in range(1, count + 1):
            dense(net, growth_rate, bottleneck, name=f"stage{i}_{j}", eps=eps)
        channels += count * growth_rate
        transition(net, channels, name=f"stage{i}", pool=pool if i < len(layers) else None, eps=eps)
    classifier(net, classes)
    return net
