"""GoogLeNet (Szegedy et al., arXiv 1409.4842), with the layer names of BVLC Caffe's model."""

from __future__ import annotations

from netgen.blocks import inception, local_norm, named_conv_relu
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width, share

# The channels of each branch: table 1 of the paper; a None is a pooling by 2.
_MODULES = (
    ("3a", (64, 96, 128, 16, 32, 32)),
    ("3b", (128, 128, 192, 32, 96, 64)),
    ("pool3/3x3_s2", None),
    ("4a", (192, 96, 208, 16, 48, 64)),
    ("4b", (160, 112, 224, 24, 64, 64)),
    ("4c", (128, 128, 256, 24, 64, 64)),
    ("4d", (112, 144, 288, 32, 64, 64)),
    ("4e", (256, 160, 320, 32, 128, 128)),
    ("pool4/3x3_s2", None),
    ("5a", (256, 160, 320, 32, 128, 128)),
    ("5b", (384, 192, 384, 48, 128, 128)),
)


def googlenet(size: int | tuple[int, int] = 224, classes: int = 1000, width: float = 1.0, dropout: float = 0.4) -> Net:
    """GoogLeNet: 1 3 224 224 -> 1 1000, of nine inception modules, without the heads that help it train.

    ``width`` multiplies all channels, ``dropout`` is the share that is dropped before the classifier in training
    (0 leaves the layer out).

    Paper: arXiv 1409.4842, table 1. With the defaults: 6,998,552 learned weights and 1,582,671,872 multiply-adds.
    Names: BVLC/caffe, models/bvlc_googlenet/deploy.prototxt, which counts the same; its last pooling is over 7x7, here
    over all there is, for every size. Its poolings need Caffe's rounding up.
    """
    where = "googlenet"
    at_least(1, where, classes=classes)
    above_zero(where, width=width)
    share(where, dropout=dropout)

    def wide(channels: int) -> int:
        return max(1, int(channels * width))

    net = Net("GoogleNet").input(1, 3, *height_and_width(where, size))
    named_conv_relu(net, ("conv1/7x7_s2", "conv1/relu_7x7"), wide(64), 7, stride=2)
    local_norm(net.pool(3, 2, name="pool1/3x3_s2"), name="pool1/norm1")
    named_conv_relu(net, ("conv2/3x3_reduce", "conv2/relu_3x3_reduce"), wide(64), 1)
    named_conv_relu(net, ("conv2/3x3", "conv2/relu_3x3"), wide(192), 3)
    local_norm(net, name="conv2/norm2")
    net.pool(3, 2, name="pool2/3x3_s2")
    for name, widths in _MODULES:
        if widths is None:
            net.pool(3, 2, name=name)
        else:
            inception(net, [wide(each) for each in widths], name=f"inception_{name}")
    net.global_pool(name="pool5/7x7_s1")
    if dropout:
        net.dropout(dropout, name="pool5/drop_7x7_s1")
    return net.fc(classes, name="loss3/classifier").softmax(name="prob")
