"""What the builder refuses: each message says the layer, the rule, what was found and the way out."""

from __future__ import annotations

from typing import Any

import pytest

import netgen


def net() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 32, 32)


# Refusals: each says the layer, the rule, what was found and the way out


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda n: n.layer("Pooling", name="pool1", kernal_size=3),
            "layer 'pool1' (Pooling): no field 'kernal_size'; did you mean 'kernel_size'?",
        ),
        (lambda n: n.conv("8", name="c"), "layer 'c' (Convolution): num_output must be a whole number, got '8'"),
        (lambda n: n.convolution(name="c", kernel_size=3), "layer 'c' (Convolution): num_output is required and was not given"),
        (
            lambda n: n.pool(pool="AVG", name="p"),
            "layer 'p' (Pooling): pool must be one of MAX, AVE, STOCHASTIC, DEF, DEF_ALL, DEF_ALL2, DEF_ALL3, DEF_ALL4, "
            "LOWRES, got 'AVG'; did you mean 'AVE'?",
        ),
        (
            lambda n: n.conv(8, "3", name="c"),
            "layer 'c' (Convolution): kernel_size must be a whole number, got '3'",
        ),
        (
            lambda n: n.conv(8, name="c", weight_filler="xaveir"),
            "layer 'c' (Convolution): no filler 'xaveir'; did you mean 'xavier'? (a filler of your own: {'type': 'xaveir'}) "
            "(in weight_filler)",
        ),
        (
            lambda n: n.layer("Zwirbel", name="z", z_param={"a b": 1}),
            "layer 'z' (Zwirbel): z_param takes names of letters, digits and _, got 'a b'",
        ),
        (
            lambda n: n.layer("Zwirbel", name="z", z_param={"a": [1, object]}),
            "layer 'z' (Zwirbel): z_param.a takes numbers, strings, bools, netgen.Literal words, dicts and lists, "
            "got <class 'object'>",
        ),
        (
            lambda n: n.layer("Relu", name="r"),
            "layer 'r' (Relu): no layer type 'Relu'; did you mean 'ReLU'? (a type of your own: netgen.register it first)",
        ),
        (lambda n: n.cnov(8), "a net has no verb 'cnov'; did you mean 'conv'?"),
        (lambda n: n.conv(8, bottom="dta"), "layer of type Convolution: no layer makes a blob 'dta'; did you mean 'data'?"),
        (
            lambda n: n.conv(8, name="c").conv(8, name="c", bottom="data"),
            "layer 'c' (Convolution): the top 'c' is made already, by layer 'c'; give this one another name",
        ),
        (
            lambda n: n.conv(8, name="c").conv(8, name="c", top="d"),
            "layer 'c' (Convolution): the layer name is taken: Caffe loads weights by name, into the first layer of it alone; "
            "give this one another name",
        ),
        (
            lambda n: n.conv(8, name="a").conv(8, name="b").relu(bottom="a"),
            "layer 'a/relu' (ReLU): it works in place on 'a', which layer 'b' has read already; "
            "place it before that layer, or give it a top of its own",
        ),
        (
            lambda n: n.conv(8, name="a").eltwise(["a", "a"], top="a", name="e"),
            "layer 'e' (Eltwise): it works in place on 'a' and reads it a second time; give it a top of its own",
        ),
        (lambda n: n.layer("Eltwise", name="e"), "layer 'e' (Eltwise): takes 2 or more bottoms, got 1"),
        (lambda n: n.relu(bottom=["data", "data"], name="r"), "layer 'r' (ReLU): takes 1 bottom, got 2"),
        (
            lambda n: n.conv(8, name="c", top=["c", "d"]),
            "layer 'c' (Convolution): takes as many tops as bottoms, got 2 for 1",
        ),
        (
            lambda n: n.conv(8, name="c", loss_weight=[1, 2]),
            "layer 'c' (Convolution): loss_weight must be given once for each top (1), got 2",
        ),
        (
            lambda n: n.conv(8, name="c", lr_mult=[1, 2]),
            "layer 'c' (Convolution): param may be given once for each weight (1), got 2; "
            "the layer has no bias, bias_term=True gives it one",
        ),
        (
            lambda n: n.conv(8, name="c", include="TRAIN", exclude="TEST"),
            "layer 'c' (Convolution): takes include rules or exclude rules, not both",
        ),
        (
            lambda n: n.conv(8, name="c", lr_mult=1, param=[{"lr_mult": 1}]),
            "layer 'c' (Convolution): lr_mult and param are both given; say all in one of them",
        ),
        (
            lambda n: n.convolution(name="c", num_output=8, convolution_param={"num_output": 8}),
            "layer 'c' (Convolution): num_output is given twice, by itself and in convolution_param",
        ),
        (lambda n: n.conv(8, name=""), "layer of type Convolution: the name must be a string that is not empty, got ''"),
        (lambda n: n.conv(8, bottom=5), "layer of type Convolution: bottom must be a blob, a name or a list of them, got 5"),
        (lambda n: n.layer("Input", in_place=True), "layer of type Input: in_place needs a bottom to write, got none"),
        (
            lambda n: n.layer("Zwirbel", alpha=1),
            "layer 'zwirbel1' (Zwirbel): the fields of type Zwirbel are not known; "
            "give 'alpha' in its message: some_param={'alpha': ...}",
        ),
        (lambda _: netgen.Net("m").conv(8), "layer of type Convolution: net 'm' has no blob yet; begin with net.input(...) or a data layer"),
        (lambda n: n.conv(8, bottom=netgen.Net().input(1, 3).last),
         "layer of type Convolution: blob 'data' belongs to another net; give one of this net, or its name"),
    ],
)  # fmt: skip
def test_refusals(wrong: Any, text: str) -> None:
    built = net()
    with pytest.raises(netgen.NetgenError) as error:
        wrong(built)
    assert str(error.value) == text


def test_a_refused_layer_leaves_the_net_as_it_was() -> None:
    built = net().conv(8, name="c")
    before, last = built.to_prototxt(), built.last
    for verb, fields in (("conv", {"num_output": 8, "name": "c"}), ("pool", {"pol": "AVE"}), ("relu", {"bottom": "x"})):
        with pytest.raises(netgen.NetgenError):
            getattr(built, verb)(**fields)
    assert built.to_prototxt() == before
    assert built.last == last
    built.conv(8, name="d")


def test_a_blob_that_was_overwritten_in_place_cannot_be_read() -> None:
    built = net().conv(8, name="c")
    before = built.last
    built.relu()
    with pytest.raises(netgen.NetgenError, match="blob 'c' of layer 'c' was overwritten in place by layer 'c/relu'"):
        built.at(before)
    assert built.at("c").last.layer == "c/relu"
    after = built.last
    built.eltwise(["c", "data"], top="c", name="sum")
    with pytest.raises(netgen.NetgenError, match="overwritten in place by layer 'sum'"):
        built.at(after)


def test_branches() -> None:
    built = net().conv(8, name="c")
    start = built.last
    fork = built.fork(lambda n: n, lambda n: n.conv(8, name="l"), lambda n: n.pool(1, 1, name="r"))
    assert [blob.name for blob in fork.ends] == ["c", "l", "r"]
    assert fork.ends[0] == start
    assert fork.concat(name="j").layers["j"].bottoms == ("c", "l", "r")
    with pytest.raises(netgen.NetgenError, match="in place on 'j', which layer 'k' has read already"):
        built.fork(lambda n: n.conv(8, name="k"), lambda n: n.relu())
