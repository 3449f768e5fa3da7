"""ResNet (He et al., arXiv 1512.03385), with the layer names of the authors' Caffe files, and SE-ResNet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netgen.blocks import basic, bottleneck, named_conv_block, se_bottleneck
from netgen.blocks.residual import VERSIONS, se_names
from netgen.builder import Net
from netgen.ranges import at_least, divisible, height_and_width, one_of, per_item

_STEM = ("conv1", "bn_conv1", "scale_conv1", "conv1_relu")


def resnet18(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    layers: Sequence[int] = (2, 2, 2, 2),
    channels: int = 64,
    project_first: bool = False,
) -> Net:
    """ResNet-18: 1 3 224 224 -> 1 1000, two 3x3 convolutions in each of 8 blocks.

    ``layers`` is the number of blocks in each stage, ``channels`` those of the first stage, twice as many in each that
    follows. Published Caffe files differ: some have a convolution in the shortcut of the very first block, which the
    paper has not; ``project_first`` adds it (11,693,736 weights), for their weights to load.

    Paper: arXiv 1512.03385, table 1. With the defaults: 11,689,512 learned weights (the paper's network, as
    torchvision counts it too) and 1,814,073,344 multiply-adds. Names: HolmesShuan/ResNet-18-Caffemodel-on-ImageNet.
    """
    return _basic("resnet18", "ResNet-18", size, classes, layers, channels, project_first)


def resnet34(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    layers: Sequence[int] = (3, 4, 6, 3),
    channels: int = 64,
    project_first: bool = False,
) -> Net:
    """ResNet-34: 1 3 224 224 -> 1 1000, two 3x3 convolutions in each of 16 blocks.

    The parameters are those of ``resnet18``. Paper: arXiv 1512.03385, table 1. With the defaults: 21,797,672 learned
    weights (torchvision counts the same) and 3,663,761,408 multiply-adds (the paper: 3.6 billion).
    """
    return _basic("resnet34", "ResNet-34", size, classes, layers, channels, project_first)


def resnet50(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    version: str = "v1",
    layers: Sequence[int] = (3, 4, 6, 3),
    channels: int = 256,
    conv1_bias: bool = False,
) -> Net:
    """ResNet-50: 1 3 224 224 -> 1 1000, bottlenecks of 1x1, 3x3 and 1x1 convolutions in 16 blocks.

    ``version`` "v1" has the stride in the first 1x1, as the paper and the published file, "v1.5" in the 3x3, as most
    later weights. ``layers`` is the number of blocks in each stage, ``channels`` what the first stage puts out, twice
    as many in each that follows; inside, and before it, are a quarter. The published file has a bias in conv1, 64
    weights that the BatchNorm cancels and that the figures leave out: ``conv1_bias`` adds it, for its weights to load.

    Paper: arXiv 1512.03385, table 1. With the defaults: 25,557,032 learned weights, 3,857,973,248 multiply-adds (v1;
    the paper: 3.8 billion) or 4,089,184,256 (v1.5). Names: KaimingHe/deep-residual-networks, ResNet-50-deploy.prototxt,
    which counts the same but for that bias; its average pooling is over 7x7, here over all there is, for every size.
    """
    return _bottlenecks("resnet50", "ResNet-50", size, classes, version, layers, channels, conv1_bias)


def resnet101(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    version: str = "v1",
    layers: Sequence[int] = (3, 4, 23, 3),
    channels: int = 256,
) -> Net:
    """ResNet-101: 1 3 224 224 -> 1 1000, bottlenecks of 1x1, 3x3 and 1x1 convolutions in 33 blocks.

    The parameters are those of ``resnet50``. Paper: arXiv 1512.03385, table 1. With the defaults: 44,549,160 learned
    weights, 7,570,194,432 multiply-adds (v1; the paper: 7.6 billion) or 7,801,405,440 (v1.5). Names:
    KaimingHe/deep-residual-networks, ResNet-101-deploy.prototxt, which counts the same.
    """
    return _bottlenecks("resnet101", "ResNet-101", size, classes, version, layers, channels)


def resnet152(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    version: str = "v1",
    layers: Sequence[int] = (3, 8, 36, 3),
    channels: int = 256,
) -> Net:
    """ResNet-152: 1 3 224 224 -> 1 1000, bottlenecks of 1x1, 3x3 and 1x1 convolutions in 50 blocks.

    The parameters are those of ``resnet50``. Paper: arXiv 1512.03385, table 1. With the defaults: 60,192,808 learned
    weights, 11,282,415,616 multiply-adds (v1; the paper: 11.3 billion) or 11,513,626,624 (v1.5). Names:
    KaimingHe/deep-residual-networks, ResNet-152-deploy.prototxt, which counts the same.
    """
    return _bottlenecks("resnet152", "ResNet-152", size, classes, version, layers, channels)


def se_resnet50(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    layers: Sequence[int] = (3, 4, 6, 3),
    channels: int = 256,
    reduction: int = 16,
    axpy: bool = False,
) -> Net:
    """SE-ResNet-50: 1 3 224 224 -> 1 1000, ResNet-50 v1 whose blocks weigh their channels.

    ``reduction`` is how many times fewer channels the weighing has inside; ``layers`` and ``channels`` are those of
    ``resnet50``. The published file applies the weights by an Axpy, a layer of its authors' Caffe; written here with
    what every Caffe has (Flatten, Scale, Eltwise), unless ``axpy``. No layer with weights differs.

    Paper: arXiv 1709.01507, table 2. With the defaults: 28,088,024 learned weights and 3,860,488,192 multiply-adds (the
    paper: 3.87 GFLOPs, which are multiply-adds). Names: hujie-frank/SENet, SE-ResNet-50.prototxt.
    """
    where = "se_resnet50"
    height, width = _checked(where, size, classes, layers)
    at_least(4, where, channels=channels)
    at_least(1, where, reduction=reduction)
    divisible(4, where, channels=channels)
    divisible(reduction, where, channels=channels)
    net = Net("SE-ResNet-50").input(1, 3, height, width)
    conv, bn, scale, _ = se_names("conv1/7x7_s2")
    stem = (conv, bn, scale, "conv1/relu_7x7_s2")
    named_conv_block(net, stem, channels // 4, 7, 2, weight_filler="msra")
    net.pool(3, 2, name="pool1/3x3_s2")
    for stage, count in enumerate(layers):
        for i in range(count):
            stride = 2 if stage and not i else 1
            name, out = f"conv{stage + 2}_{i + 1}", channels << stage
            se_bottleneck(net, out, stride, name=name, project=not i, reduction=reduction, axpy=axpy)
    net.global_pool(name="pool5/7x7_s1").fc(classes, name="classifier").softmax(name="prob")
    return net


def _basic(
    where: str,
    title: str,
    size: int | tuple[int, int],
    classes: int,
    layers: Sequence[int],
    channels: int,
    project_first: bool,
) -> Net:
    height, width = _checked(where, size, classes, layers)
    at_least(1, where, channels=channels)
    net = _begun(title, height, width, channels)
    for stage, i, name in _blocks(layers):
        stride = 2 if stage and not i else 1
        project = not i and (stage > 0 or project_first)
        basic(net, channels << stage, stride, name=name, project=project)
    return _ended(net, classes)


def _bottlenecks(
    where: str,
    title: str,
    size: int | tuple[int, int],
    classes: int,
    version: str,
    layers: Sequence[int],
    channels: int,
    conv1_bias: bool = False,
) -> Net:
    height, width = _checked(where, size, classes, layers)
    one_of(VERSIONS, where, version=version)
    at_least(4, where, channels=channels)
    divisible(4, where, channels=channels)
    net = _begun(title, height, width, channels // 4, conv1_bias)
    for stage, i, name in _blocks(layers):
        stride = 2 if stage and not i else 1
        bottleneck(net, channels << stage, stride, name=name, project=not i, version=version)
    return _ended(net, classes)


def _checked(where: str, size: int | tuple[int, int], classes: int, layers: Sequence[int]) -> tuple[int, int]:
    at_least(1, where, classes=classes)
    per_item(1, where, layers=layers)
    return height_and_width(where, size)


def _begun(title: str, height: int, width: int, channels: int, bias: bool = False) -> Net:
    net = Net(title).input(1, 3, height, width)
    named_conv_block(net, _STEM, channels, 7, 2, bias_term=bias, weight_filler="msra")
    return net.pool(3, 2, name="pool1")


def _ended(net: Net, classes: int) -> Net:
    return net.global_pool(name="pool5").fc(classes, name=f"fc{classes}").softmax(name="prob")


def _blocks(layers: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Stage, place in it and name of each block: res2a, res2b; the authors' deep files count on, res4b1, res4b2."""
    deep = max(layers) > 6
    for stage, count in enumerate(layers):
        numbered = (deep and stage in (1, 2)) or count > 26
        for i in range(count):
            letter = ("a" if not i else f"b{i}") if numbered else chr(ord("a") + i)
            yield stage, i, f"res{stage + 2}{letter}"
