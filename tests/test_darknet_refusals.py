"""What is wrong with a cfg, told with its line and what to do; damaged files never show a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import netgen
from netgen.darknet.load import translate

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"

REFUSALS = {
    "empty": ("", "t.cfg: there is no section in it; a cfg begins with [net]"),
    "no net": (CONV, "t.cfg:1:1: [convolutional] comes first; a cfg begins with [net], which says width, height and channels"),
    "net alone": (NET, "t.cfg:1:1: [net] is the only section; there is no layer behind it"),
    "two nets": (NET + CONV + NET, "t.cfg:10:1: [net] comes once, at the beginning; one file is one network"),
    "width 0": (
        "[net]\nwidth=0\nheight=8\nchannels=3\n" + CONV,
        "t.cfg:2:7: [net] width is 0; give width, height and channels",
    ),
    "no height": (
        "[net]\nwidth=8\nchannels=3\n" + CONV,
        "t.cfg:1:1: [net] height is missing; give width, height and channels",
    ),
    "key before": ("width=8\n" + NET, "t.cfg:1:1: width= stands before the first section; begin with [net]"),
    "no equals": (NET + CONV + "stride 2\n", "t.cfg:10:1: expected [section] or key=value, got 'stride 2'"),
    "open bracket": (NET + "[maxpool\n", "t.cfg:5:1: expected [section] alone on its line, got '[maxpool'"),
    "behind bracket": (NET + "[maxpool] x\n", "t.cfg:5:1: expected [section] alone on its line, got '[maxpool] x'"),
    "text after a number": (
        NET + "[conv]\nfilters=32abc\n",
        "t.cfg:6:9: [conv] filters must be a whole number, got '32abc'; Darknet reads 32 and drops the rest, write what "
        "is meant",
    ),
    "blank in a number": (
        NET + "[conv]\nfilters = 3 2\n",
        "t.cfg:6:10: [conv] filters must be a whole number, got '3 2'; Darknet reads 32 and drops the rest, write what "
        "is meant",
    ),
    "no number": (NET + "[conv]\nsize=x\n", "t.cfg:6:6: [conv] size must be a whole number, got 'x'; Darknet reads 0"),
    "half": (
        NET + "[conv]\nsize=1.5\n",
        "t.cfg:6:6: [conv] size must be a whole number, got '1.5'; Darknet reads 1.5 and drops the rest, write what is "
        "meant",
    ),
    "too large": (
        NET + "[conv]\nsize=3000000000\n",
        "t.cfg:6:6: [conv] size must lie in -2147483647..2147483647, got 3000000000",
    ),
    "infinite": (NET + "[upsample]\nscale=1e999\n", "[upsample] scale must be a number, got '1e999'"),
    "stride 0": (NET + "[conv]\nstride=0\n", "t.cfg:6:8: [conv] stride must be 1 or more, got 0"),
    "comma at the end": (
        NET + CONV + "[route]\nlayers=-1,\n",
        "t.cfg:11:8: [route] layers ends with a comma, and Darknet reads one more entry of 0; remove it",
    ),
    "route beyond the first": (
        NET + CONV + "[route]\nlayers=-2\n",
        "t.cfg:11:8: [route] layers=-2 is layer -1, and layer 1 can read 0 to 0, or -1 to -1; name one of these",
    ),
    "route to a later one": (
        NET + CONV + CONV + "[route]\nlayers=-1,5\n",
        "t.cfg:16:8: [route] layers=5 is layer 5, and layer 2 can read 0 to 1, or -2 to -1",
    ),
    "route first": (NET + "[route]\nlayers=0\n", "[route] layers=0 is itself, and the first layer can read none; put layers before it"),
    "route without layers": (NET + CONV + "[route]\n", "t.cfg:10:1: [route] layers is missing: it names the layers to read"),
    "shortcut to itself": (
        NET + CONV + CONV + "[shortcut]\nfrom=2\n",
        "t.cfg:16:6: [shortcut] from=2 is itself, and layer 2 can read 0 to 1, or -2 to -1",
    ),
    "route groups": (NET + CONV + "[route]\nlayers=-1\ngroups=3\n", "groups must divide the channels, got 4 channels, groups=3"),
    "group_id": (NET + CONV + "[route]\nlayers=-1\ngroups=2\ngroup_id=2\n", "group_id must lie in 0..1, got 2"),
    "conv groups": (
        NET + "[conv]\nfilters=4\ngroups=2\n",
        "t.cfg:7:8: [conv] groups must divide the channels and filters, got 3, 4, groups=2",
    ),
    "window": (
        NET + "[maxpool]\nsize=9\npadding=0\n",
        "t.cfg:5:1: [maxpool] has a window of 9 and padding of 0, larger than the 8x8 it reads",
    ),
    "dilation": (NET + "[conv]\nsize=3\ndilation=2\n", "use an odd size with pad=1"),
    "local": (NET + "[local]\nsize=5\npad=1\n", "reads beyond its columns in Darknet; use pad=(size - 1)/2 or 0"),
    "share": (NET + CONV + "[conv]\nshare_index=0\n", "share_index must name a convolution with the same weights, and 0 is none"),
    "sizes": (
        NET + CONV + "[maxpool]\nsize=2\nstride_x=2\n[shortcut]\nfrom=0\n",
        "t.cfg:14:6: [shortcut] adds layers whose height and width are in one ratio, got 4x8x4 and 4x8x8",
    ),
    "weights_type": (
        NET + CONV + CONV + "[shortcut]\nfrom=-2\nweights_type=per_channel\n",
        "t.cfg:17:14: [shortcut] weights_type needs weights_normalization=relu or softmax, got 'none'",
    ),
    "sam": (NET + CONV + "[avgpool]\n[sam]\nfrom=0\n", "[sam] multiplies layers of one shape, got 4x1x1 and 4x8x8"),
    "scale_channels": (NET + CONV + CONV + "[scale_channels]\nfrom=0\n", "reads 4x1x1 for its channels, got 4x8x8"),
    "reorg": (NET + "[reorg]\nstride=2\n", "t.cfg:6:8: [reorg] stride^2 must divide the channels, got 3 channels, stride=2"),
    "reorg3d": (NET + "[reorg3d]\nstride=3\n", "[reorg3d] stride must divide height and width, got 8x8, stride=3"),
    "crop": (NET + "[crop]\ncrop_height=9\ncrop_width=9\n", "t.cfg:6:13: [crop] cuts 9x9 out of 8x8, which is smaller"),
    "flat": (NET + CONV + "[softmax]\n[maxpool]\n", "[maxpool] reads an image, and the layer before gives 256 values without sizes"),
    "softmax groups": (NET + "[softmax]\ngroups=7\n", "groups must divide the values, got 192, groups=7"),
    "yolo classes": (
        NET + "[conv]\nfilters=18\n[yolo]\nmask=0,1,2\nnum=3\nclasses=2\n",
        "t.cfg:10:9: [yolo] reads 3 anchors of the mask x 7 values = 21 channels, got 18; give the convolution before "
        "it filters=21, or set classes=1",
    ),
    "odd anchors": (
        NET + "[conv]\nfilters=18\n[yolo]\nmask=0,1,2\nnum=3\nclasses=1\nanchors=1,2, 3,4, 5\n",
        "t.cfg:11:9: [yolo] anchors are pairs of width and height, got 5 numbers; add or remove one",
    ),
    "mask": (
        NET + "[conv]\nfilters=18\n[yolo]\nmask=0,1,3\nnum=3\nclasses=1\nanchors=1,2, 3,4, 5,6\n",
        "t.cfg:8:6: [yolo] mask must name anchors 0 to 2, got 3; name one that there is",
    ),
    "region": (NET + "[conv]\nfilters=9\n[region]\nnum=2\nclasses=1\n", "reads num=2 anchors x 6 values = 12 channels, got 9; give the convolution before it filters=12"),
    "detection": (
        NET + "[conn]\noutput=9\n[detection]\nside=2\nnum=1\ncoords=4\nclasses=2\n",
        "reads side^2 (num (1 + coords) + classes) = 2^2 x (1 x 5 + 2) = 28 values, got 9; give the layer before 28 outputs",
    ),
    "lstm": (NET + "[lstm]\noutput=4\n", "t.cfg:5:1: [lstm] cannot be translated: it keeps a state from one image to the next"),
    "unknown": (NET + "[convolution]\n", "t.cfg:5:1: [convolution] is no section that Darknet knows; did you mean 'convolutional'?"),
    "huge": (NET + CONV * 2 + "[upsample]\nstride=40000\n", "t.cfg:15:1: [upsample] would give 409600000000 values"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal(name: str) -> None:
    text, message = REFUSALS[name]
    with pytest.raises(netgen.ParseError) as error:
        translate(text, "t.cfg")
    assert message in str(error.value)
    assert error.value.path == "t.cfg"
    assert error.value.line > 0 or name == "empty"


def test_what_is_passed_over_is_told() -> None:
    text = (
        NET
        + "[conv]\nsize=1\nsize=3\nsize=1\nstried=2\nbatch_normalize=\nactivation=leeky\njitter=.3\n[sam]\nfrom=-1\n"
    )
    translation, _ = translate(text, "t.cfg")
    assert translation.notes == [
        "t.cfg:7: [conv] size is given again, as '3'; Darknet takes the first, '1' of line 6; remove one",
        "t.cfg:10: [conv] batch_normalize has no value, and Darknet leaves it out; give one or remove it",
        "t.cfg:11: [conv] activation 'leeky' is not known, and Darknet goes on with relu; did you mean 'leaky'?",
        "t.cfg:9: [conv] stried is not read; did you mean 'stride'?",
    ]
    assert translation.net.layers["layer1-conv"].params["convolution_param"]["kernel_size"] == (1,)
    assert translation.net.layers["layer1-act"].type == "ReLU"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(netgen.UsageError, match="no such file"):
        netgen.load_darknet(tmp_path / "none.cfg")
    with pytest.raises(netgen.UsageError, match="a file must be given by its name, got int"):
        netgen.load_darknet(3)  # type: ignore[arg-type]
    binary = tmp_path / "binary.cfg"
    binary.write_bytes(b"[net]\0\1\2")
    with pytest.raises(netgen.ParseError, match="binary data, not the text of a cfg; give the weights beside it"):
        netgen.load_darknet(binary)


SECTIONS = [
    "[shortcut]\nfrom=-1\n", "[route]\nlayers=-1,-2\n", "[reorg]\nstride=2\n", "[connected]\noutput=3\n", "[softmax]\n",
    "[batchnorm]\n", "[l2norm]\n", "[avgpool]\n", "[upsample]\nstride=-2\n", "[maxpool]\nsize=3\nstride=2\n",
    "[local]\nsize=3\n", "[normalization]\n", "[crop]\n", "[sam]\nfrom=-2\n", "[scale_channels]\nfrom=-2\n",
    "[dropout]\n", "[reorg3d]\nstride=2\n", "[yolo]\n", "[conv]\nactivation=normalize_channels\n", "[detection]\n",
    "[maxpool]\nmaxpool_depth=1\n", "[conv]\nantialiasing=1\nstride=2\nsize=3\npad=1\n", "[activation]\nactivation=gelu\n",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_cfg_is_translated_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    done = 0
    for _ in range(50):
        text = NET + CONV + "".join(chance.choices(SECTIONS, k=chance.randrange(6)))
        for _ in range(chance.choice((0, 1, 2, 5))):
            at = chance.randrange(len(text) + 1)
            piece = chance.choice(["", chr(chance.randrange(1, 256)), chance.choice("0123456789-=,.[]#\n"), "99999"])
            text = text[:at] + piece + text[at + chance.choice((0, 1, 1, 20)) :]
        try:
            translation, _ = translate(text, "t.cfg", forks=chance.random() < 0.5)
            shapes = netgen.infer_shapes(translation.net)
        except netgen.NetgenError:
            continue
        done += 1
        for value in translation.values:
            assert count(shapes[value.blob]) == value.outputs
            assert value.shape is None or len(shapes[value.blob]) == 2 or shapes[value.blob][1:] == value.shape
    assert done > 2


def count(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
