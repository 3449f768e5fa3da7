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
