from __future__ import annotations

from typing import Any

import pytest

import netgen
from netgen.graph import Literal
from netgen.layers.index import VERBS


def net() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 32, 32)


def fields(net: netgen.Net, layer: int | str = -1) -> dict[str, Any]:
    messages = {key: value for key, value in net.layers[layer].params.items() if key.endswith("_param")}
    assert len(messages) <= 1
    return dict(next(iter(messages.values()), {}))


# The style of the short verbs


def test_conv_pads_so_that_odd_kernels_keep_the_size() -> None:
    assert fields(net().conv(8, 3)) == {
        "num_output": 8, "bias_term": False, "pad": (1,), "kernel_size": (3,), "stride": (1,),
        "weight_filler": {"type": "xavier"},
    }  # fmt: skip
    assert "pad" not in fields(net().conv(8, 1))
    assert fields(net().conv(8, 5, dilation=2))["pad"] == (4,)
    assert fields(net().conv(8, (1, 7)))["pad"] == (0, 3)
    assert "pad" not in fields(net().conv(8, 4))
    assert fields(net().conv(8, 3, pad=0))["pad"] == (0,)
    tall = fields(net().conv(8, kernel_h=3, kernel_w=1))
    assert (tall["kernel_h"], tall["kernel_w"], tall["pad_h"], tall.get("pad_w")) == (3, 1, 1, None)
    assert "kernel_size" not in tall
    assert fields(net().conv(8, 3, bias_term=True, weight_filler="msra"))["weight_filler"] == {"type": "msra"}


def test_bn_is_frozen_in_place_and_brings_its_scale_when_asked() -> None:
    built = net().conv(8, 3, name="conv1").bn(scale=True, eps=1e-3)
    bn, scale = built.layers[-2:]
    assert (bn.name, bn.type, bn.bottoms, bn.tops) == ("conv1/bn", "BatchNorm", ("conv1",), ("conv1",))
    assert bn.params["param"] == ({"lr_mult": 0.0, "decay_mult": 0.0},) * 3
    assert bn.params["batch_norm_param"] == {"moving_average_fraction": 0.999, "eps": 0.001}
    assert (scale.name, scale.tops) == ("conv1/scale", ("conv1",))
    assert scale.params["scale_param"] == {"filler": {"value": 1.0}, "bias_term": True, "bias_filler": {"value": 0.0}}
    assert [layer.type for layer in net().conv(8).bn().layers][-1] == "BatchNorm"
    assert "param" in net().conv(8).bn(use_global_stats=True).layers[-1].params
    with pytest.raises(netgen.NetgenError, match="eps must be a number"):
        net().conv(8).bn(eps="small")  # type: ignore[arg-type]


def test_other_short_verbs() -> None:
    assert fields(net().pool()) == {"pool": "MAX", "kernel_size": 2, "stride": 2}
    assert fields(net().global_pool()) == {"pool": "AVE", "global_pooling": True}
    assert fields(net().fc(10)) == {
        "num_output": 10, "bias_term": True, "weight_filler": {"type": "xavier"}, "bias_filler": {"type": "constant"}
    }  # fmt: skip
    assert "bias_filler" not in fields(net().fc(10, bias_term=False))
    assert fields(net().conv(8).relu(negative_slope=0.1)) == {"negative_slope": 0.1}
    assert fields(net().conv(8).dropout(0.2)) == {"dropout_ratio": 0.2}
    assert fields(net().deconv(8, 4, 2))["pad"] == (1,)
    assert fields(net().fork(lambda n: n.conv(3, name="a"), lambda n: n).eltwise(operation="MAX")) == {
        "operation": "MAX"
    }
    assert fields(net().conv(4, name="a").scale(bottom=["a", "data"], axis=0)) == {
        "axis": 0, "bias_term": True, "bias_filler": {"value": 0.0}
    }  # fmt: skip


def test_every_type_has_a_verb() -> None:
    built = net()
    for verb in VERBS:
        assert callable(getattr(built, verb)), verb
        assert verb in dir(built)
    assert built.conv(4, name="score").softmax_with_loss(bottom=["score", "data"]).layers[-1].type == "SoftmaxWithLoss"
    assert built.permute.__doc__ is not None
    assert "'Permute'" in built.permute.__doc__


# Names


def test_names_are_made_when_none_is_given() -> None:
    built = net().conv(4).relu().conv(4, name="conv2").conv(4).relu().relu().pool()
    assert [layer.name for layer in built.layers] == [
        "data", "conv1", "conv1/relu", "conv2", "conv3", "conv3/relu", "conv3/relu2", "pool1"
    ]  # fmt: skip


def test_scopes_nest_and_names_are_looked_up_outwards() -> None:
    built = net()
    with built.scope("stage1"):
        built.conv(4, name="a")
        with built.scope("inner"):
            built.conv(4, name="b", bottom="a").relu()
        built.conv(4, bottom="inner/b", name="c")
    built.conv(4, bottom="data", name="a")
    assert [layer.name for layer in built.layers] == [
        "data", "stage1/a", "stage1/inner/b", "stage1/inner/b/relu", "stage1/c", "a"
    ]  # fmt: skip
    assert built.layers["stage1/inner/b"].bottoms == ("stage1/a",)
    assert built.blob("a").name == "a"
    with pytest.raises(netgen.NetgenError, match="scope: the name must be a string that is not empty, got ''"):
        built.scope("")


# Wiring


def test_bottoms_by_blob_name_and_list() -> None:
    built = net().conv(4, name="a")
    blob = built.last
    built.conv(4, bottom="data", name="b").concat([blob, "b"], name="c")
    assert built.layers["c"].bottoms == ("a", "b")
    assert str(built.last) == "c"
    assert repr(built.at("a").last) == "<Blob 'a' of layer 'a'>"


def test_several_tops_and_fields_of_layer_parameter() -> None:
    built = net().slice(top=["l", "r"], name="cut", axis=1, slice_point=1)
    assert built.layers["cut"].tops == ("l", "r")
    assert built.last.name == "l"
    built.layer("SoftmaxWithLoss", name="loss", bottom=["l", "r"], loss_weight=0.5, propagate_down=[True, False])
    assert built.layers["loss"].params == {"loss_weight": (0.5,), "propagate_down": (True, False)}
    built.layer("EuclideanLoss", name="train_loss", bottom=["l", "r"], include={"phase": "TRAIN", "stage": "warm"})
    assert built.layers["train_loss"].params == {"include": ({"phase": "TRAIN", "stage": ("warm",)},)}


def test_param_specs() -> None:
    def specs(**given: Any) -> object:
        return net().conv(4, 3, **given).layers[-1].params["param"]

    assert specs(bias_term=True, lr_mult=[1, 2], decay_mult=[1, 0]) == (
        {"lr_mult": 1.0, "decay_mult": 1.0}, {"lr_mult": 2.0, "decay_mult": 0.0}
    )  # fmt: skip
    assert specs(bias_term=True, lr_mult=0) == ({"lr_mult": 0.0}, {"lr_mult": 0.0})
    assert specs(lr_mult=0) == ({"lr_mult": 0.0},)
    assert specs(param_name="w") == ({"name": "w"},)
    assert specs(param=[{"name": "w", "share_mode": "PERMISSIVE"}]) == ({"name": "w", "share_mode": "PERMISSIVE"},)


def test_messages_may_be_given_whole_and_layers_copied() -> None:
    whole = net().layer("Convolution", name="c", convolution_param={"num_output": 4, "kernel_size": 1})
    flat = net().layer("Convolution", name="c", num_output=4, kernel_size=1)
    assert whole == flat
    copied = net().layer("Convolution", name="c", params=flat.layers["c"].params)
    assert copied == flat


def test_flat_fields_go_to_the_message_that_caffe_reads() -> None:
    assert fields(net().conv(8, 3, engine="CAFFE"))["engine"] == "CAFFE"
    assert fields(net().layer("Softmax", name="s", engine="CUDNN")) == {"engine": "CUDNN"}
    data = netgen.Net().data(source="x", batch_size=8, scale=0.5, mirror=True, crop_size=8, mean_value=[1]).layers[-1]
    assert data.params["data_param"] == {"source": "x", "batch_size": 8}
    assert data.params["transform_param"] == {"scale": 0.5, "mirror": True, "crop_size": 8, "mean_value": (1.0,)}


def test_a_bias_filler_means_a_bias() -> None:
    assert fields(net().conv(8, 3, bias_filler="constant"))["bias_term"] is True
    assert fields(net().concat(["data", "data"], concat_dim=1)) == {"concat_dim": 1}


def test_types_of_forks_are_no_slips_of_the_pen() -> None:
    for name in ("CReLU", "PSROIAlign", "GELU", "ArgMin", "MyConvolution", "Resize", "Correlation", "FocalLoss"):
        assert net().layer(name, name="it").layers[-1].type == name
    for name in ("relu", "Convolutoin", "Batch_Norm", "Poolling"):
        with pytest.raises(netgen.NetgenError, match="did you mean"):
            net().layer(name, name="it")


def test_an_empty_list_is_no_field() -> None:
    built = net().conv(4, 3, dilation=[], include=[], weight_filler={"type": "msra"})
    assert "include" not in built.layers[-1].params
    assert "dilation" not in fields(built)
    assert netgen.parse_prototxt(built.to_prototxt()) == built


def test_in_place_only_where_it_is_safe() -> None:
    assert net().relu().layers[-1].tops == ("relu1",)  # Caffe would overwrite the input itself
    assert net().conv(4, name="c").relu().layers[-1].tops == ("c",)
    assert net().conv(4, name="c").relu(in_place=False, name="r").layers[-1].tops == ("r",)
    assert net().conv(4, name="c").relu(top="r").layers[-1].tops == ("r",)
    assert net().conv(4, name="c").power(in_place=True, power=2).layers[-1].tops == ("c",)


def test_own_types() -> None:
    built = net().layer(
        "Zwirbel", name="z", zwirbel_param={"alpha": 0.5, "mode": Literal("FAST"), "label": 'a"b', "n": [1, 2]}
    )
    text = built.to_prototxt()
    assert 'zwirbel_param {\n    alpha: 0.5\n    mode: FAST\n    label: "a\\"b"\n    n: 1\n    n: 2\n  }' in text
    assert netgen.parse_prototxt(text).layers["z"] == built.layers["z"]


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


# Phases


def test_train_and_test_twins_are_normal() -> None:
    built = netgen.Net("n")
    for phase, source in (("TRAIN", "train_lmdb"), ("TEST", "test_lmdb")):
        built.data(name="data", top=["data", "label"], source=source, batch_size=8, include=phase)
    built.conv(8, 3, name="c").fc(10, name="score")
    built.layer("Accuracy", name="accuracy", bottom=["score", "label"], include="TEST")
    built.layer("SoftmaxWithLoss", name="loss", bottom=["score", "label"])
    assert [layer.name for layer in built.layers].count("data") == 2
    with pytest.raises(netgen.NetgenError, match="in phase TEST, the layer name is taken"):
        built.conv(8, name="accuracy", top="other", bottom="data", include="TEST")
    built.conv(8, name="accuracy", top="accuracy", bottom="data", include="TRAIN")
    with pytest.raises(netgen.NetgenError, match="in phase TRAIN, the top 'data' is made already, by layer 'data'"):
        built.data(name="more", top="data", batch_size=1, include="TRAIN")


def test_a_training_file_needs_no_test_data() -> None:
    built = netgen.Net().data(name="data", top=["data", "label"], batch_size=8, include="TRAIN").conv(8, 3, name="c")
    with pytest.raises(netgen.NetgenError, match="no layer makes a blob 'labels'; did you mean 'label'"):
        built.layer("SoftmaxWithLoss", name="loss", bottom=["c", "labels"])
    with pytest.raises(netgen.NetgenError, match="in phase TEST, no layer before it makes the bottom 'data'"):
        built.conv(8, name="d", bottom="data", include="TEST")


def test_stages_and_levels() -> None:
    built = netgen.Net()
    built.input(1, 3, 8, 8, include={"stage": "deploy"})
    built.layer("Data", name="data", top=["data", "label"], batch_size=8, include={"not_stage": "deploy"})
    built.conv(8, name="c")
    built.conv(8, name="low", top="x", bottom="c", include={"max_level": 0})
    built.conv(8, name="high", top="x", bottom="c", include={"min_level": 1})
    with pytest.raises(netgen.NetgenError, match="level 1, the top 'x' is made already, by layer 'high'"):
        built.conv(8, name="higher", top="x", bottom="c", include={"min_level": 1})


def test_an_in_place_layer_after_a_weighted_top_is_refused() -> None:
    # insert_splits.cpp counts a weight in the loss as one reader more.
    built = net().conv(8, name="c", loss_weight=1)
    with pytest.raises(netgen.NetgenError, match="in place on 'c', which layer 'c' has read already"):
        built.relu()


def test_a_net_that_was_read_goes_on() -> None:
    text = 'name: "old" input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    built = netgen.parse_prototxt(text)
    assert built.last.name == "r"
    built.conv(8, name="c").relu()
    assert [layer.name for layer in built.layers] == ["r", "c", "c/relu"]
    with pytest.raises(netgen.NetgenError, match="the layer name is taken"):
        built.conv(8, name="r", top="s")


def test_a_file_is_kept_whatever_its_wiring_and_can_be_gone_on_with() -> None:
    built = netgen.parse_prototxt(
        'layer { name: "a" type: "ReLU" bottom: "nobody" top: "a" } layer { name: "a" top: "a" }'
    )
    assert len(built.layers) == 2
    assert built.relu(name="b", in_place=False).layers[-1].bottoms == ("a",)


def test_thousands_of_layers_take_their_time_each() -> None:
    built = net()
    for _ in range(5000):
        built.conv(8)
    assert built.last.name == "conv5000"
