"""The mirror as a torch module: names, inputs, blobs on request, phases, memory."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import netgen
from tests.own_types import forgotten_types

torch: Any = pytest.importorskip("torch")

if TYPE_CHECKING:
    from netgen.mirror import Mirror

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } } '
DATA = """layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } }
layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 5
  weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "f" top: "f" }
layer { name: "acc" type: "Accuracy" bottom: "f" bottom: "label" top: "acc" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "loss" }
"""


def over_input(layers: str, **options: Any) -> Mirror:
    made: Mirror = netgen.to_torch(netgen.parse_prototxt(INPUT + layers), **options)
    return made


def small() -> Mirror:
    net = netgen.Net().input(1, 3, 6, 6).conv(4, 3, name="a.b/c", weight_filler="msra").bn(name="bn").scale(name="s")
    return netgen.to_torch(net.relu(name="r").conv(2, 1, name="train", weight_filler="msra").sigmoid(name="50%"))


def image(*shape: int) -> Any:
    return torch.randn(shape or (2, 3, 6, 6), generator=torch.Generator().manual_seed(1))


def refused(error: type[netgen.NetgenError] = netgen.UsageError) -> Any:
    return pytest.raises(error)


# Names

HARD_NAMES = ["", ".", "..", "a.b", "%", "%2E", "%~1", "a%~2", "train", "forward", "net", "slots", "programs", "_seen"]
HARD_NAMES += ["weight", "T_destination", "é", "\udce9", "a b", "__class__", "conv1/bn", "_modules", "call_super_init"]


def test_every_name_has_one_module_name_and_the_way_back() -> None:
    from netgen.mirror.names import escaped, unescaped

    assert len({escaped(name, again) for name in HARD_NAMES for again in range(3)}) == 3 * len(HARD_NAMES)
    for name in HARD_NAMES:
        for again in range(3):
            assert "." not in escaped(name, again)
            assert escaped(name, again)
            assert unescaped(escaped(name, again)) == name


@pytest.mark.parametrize("name", HARD_NAMES[1:])
def test_a_layer_may_have_any_name(name: str) -> None:
    from netgen.mirror.names import escaped

    net = netgen.Net().input(1, 3, 6, 6).conv(2, 1, name=name, weight_filler="msra", bias_term=True)
    mirror = netgen.to_torch(net)
    assert list(mirror.state_dict()) == [f"{escaped(name)}.weight", f"{escaped(name)}.bias"]
    before = mirror(image(1, 3, 6, 6))
    again = netgen.to_torch(net, seed=2).train()
    again.load_state_dict(mirror.state_dict())
    assert torch.equal(again(image(1, 3, 6, 6)), before)
    assert torch.equal(pickle.loads(pickle.dumps(mirror))(image(1, 3, 6, 6)), before)


def test_layers_of_one_name() -> None:
    relu = 'layer { name: "r" type: "ReLU" bottom: "data" top: "x" } layer { name: "r" type: "Sigmoid" bottom: "data" top: "y" }'
    mirror = over_input(f'{relu} layer {{ type: "TanH" bottom: "data" top: "z" }}')
    assert list(mirror._modules) == ["r", "r%~2", "%"]
    blobs = mirror(image())
    assert torch.equal(blobs["x"], image().relu())
    assert torch.equal(blobs["y"], image().sigmoid())
    assert torch.equal(blobs["z"], image().tanh())


# Inputs


def test_inputs_by_place_by_keyword_and_in_a_dict() -> None:
    mirror = over_input(
        'layer { name: "i" type: "Input" top: "b" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } } '
        'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "b" top: "sum" eltwise_param { coeff: 1 coeff: -1 } }'
    )
    one, two = image(), torch.ones(2, 3, 6, 6)
    assert list(mirror.inputs) == ["data", "b"]
    for got in (mirror(one, two), mirror(one, b=two), mirror(b=two, data=one), mirror({"b": two, "data": one})):
        assert torch.equal(got, one - 1)
    assert torch.equal(mirror({"data": one}, b=two), one - 1)


@pytest.mark.parametrize(
    ("args", "named", "said"),
    [
        ([], {}, "input 'data' is missing; the network takes data"),
        ([image(), image()], {}, "the network takes data, got 2 inputs"),
        ([image()], {"data": image()}, "input 'data' is given twice; the network takes data"),
        ([{"data": image()}], {"data": image()}, "input 'data' is given twice; the network takes data"),
        ([], {"dat": image()}, "no input 'dat'; did you mean 'data'? (the network takes data)"),
        ([{3: image()}], {}, "no input 3 (the network takes data)"),
        ([image().numpy()], {}, "input 'data': give a torch.Tensor of real numbers, got ndarray"),
        ([None], {}, "input 'data': give a torch.Tensor of real numbers, got NoneType"),
        ([image().to(torch.complex64)], {}, "input 'data': give a torch.Tensor of real numbers, got torch.complex64"),
        ([image().to_sparse()], {}, "input 'data': give a torch.Tensor of real numbers, got torch.sparse_coo"),
        ([image().to("meta")], {}, "input 'data' is on meta and the mirror on cpu; move it with .to('cpu')"),
    ],
)
def test_inputs_that_are_not_the_networks(args: list[Any], named: dict[str, Any], said: str) -> None:
    with refused() as caught:
        small()(*args, **named)
    assert str(caught.value) == said


def test_inputs_of_other_shapes_than_built_for() -> None:
    mirror = small()
    whole = mirror(image(4, 3, 9, 5))
    assert whole.shape == (4, 2, 9, 5)
    for i in range(4):
        assert torch.allclose(mirror(image(4, 3, 9, 5)[i : i + 1]), whole[i : i + 1], atol=1e-6)
    for shape, weight in (((1, 4, 6, 6), "4x4x3x3"), ((3, 6, 6), "4x6x3")):
        with refused(netgen.NetgenError) as caught:
            mirror(torch.zeros(shape))
        assert str(caught.value) == (
            f"layer 'a.b/c' (Convolution): for inputs of {'x'.join(map(str, shape))} its weight 0 would have to be "
            f"{weight}, and it is 4x3x3x3; give inputs of data 1x3x6x6"
        )
    with refused(netgen.NetgenError) as caught:
        mirror(torch.zeros(1).expand(1, 3, 100000, 100000))
    assert str(caught.value).startswith("layer 'data' (Input): top 'data' would be 1x3x100000x100000, more than the")
    fully = netgen.to_torch(netgen.Net().input(1, 3, 6, 6).fc(2, name="f"))
    assert fully(image(5, 3, 6, 6)).shape == (5, 2)
    with refused(netgen.NetgenError) as caught:
        fully(image(1, 3, 7, 6))
    assert "layer 'f' (InnerProduct): for inputs of 1x3x7x6 its weight 0 would have to be 2x126" in str(caught.value)


def test_shapes_given_for_inputs() -> None:
    net = netgen.Net().input(1, 3, 6, 6).fc(2, name="f")
    assert netgen.to_torch(net, inputs={"data": (1, 3, 7, 6)}).caffe_weights()["f:0"].shape == (2, 126)
    for inputs, said in (
        ({"dat": (1, 3, 7, 6)}, "input 'dat': the net has no such blob; did you mean 'data'?"),
        ({"data": (1, "3")}, "input 'data': the shape must be a list of whole numbers, got (1, '3')"),
        ([1, 2], "inputs must be a dict of shapes by blob name, got [1, 2]"),
    ):
        with refused(netgen.NetgenError) as caught:
            netgen.to_torch(net, inputs=inputs)  # type: ignore[arg-type]
        assert str(caught.value) == said


def test_what_is_no_net_or_phase() -> None:
    with refused() as caught:
        netgen.to_torch("peleenet")  # type: ignore[call-overload]
    assert str(caught.value) == "give a net (netgen.load reads one from a file), got 'peleenet'"
    with refused() as caught:
        netgen.to_torch(netgen.Net(), "test")
    assert str(caught.value) == "phase must be TRAIN or TEST, got 'test'"


# Blobs


def test_blobs_on_request() -> None:
    mirror = small()
    assert list(mirror(image(), blobs="all")) == ["data", "a.b/c", "train"]
    assert list(mirror(image(), blobs="train")) == ["train"]
    assert list(mirror(image(), blobs=("train", "data"))) == ["train", "data"]
    assert mirror(image(), blobs=[]) == {}
    assert torch.equal(mirror(image(), blobs=["train"])["train"], mirror(image()))
    for blobs, said in (
        (["sa"], "no blob 'sa' in phase TEST"),
        (["a.b/d"], "no blob 'a.b/d' in phase TEST; did you mean 'a.b/c'?"),
        ([3], "no blob 3 in phase TEST"),
        (3, "no blob 3 in phase TEST"),
    ):
        with refused() as caught:
            mirror(image(), blobs=blobs)
        assert str(caught.value) == said


@pytest.mark.parametrize("training", [False, True])
def test_the_blob_between_a_batch_norm_and_its_scale(training: bool) -> None:
    net = netgen.Net().input(1, 3, 6, 6).batch_norm(name="bn", top="bn").scale(name="s", top="s")
    weights = netgen.fill_weights(net)
    weights["s:0"][:], weights["s:1"][:], weights["bn:0"][:] = 3, 0.5, 2
    mirror = netgen.to_torch(net, weights=weights).train(training)
    assert len(mirror.program.steps) == 1
    blobs = mirror(image(), blobs="all")
    assert torch.allclose(blobs["s"], 3 * blobs["bn"] + 0.5, atol=1e-6)
    mean = image().mean((0, 2, 3), keepdim=True) if training else 2
    deviation = image().var((0, 2, 3), correction=0, keepdim=True).sqrt() if training else 1
    assert torch.allclose(blobs["bn"], (image() - mean) / deviation, atol=1e-4)
    assert torch.allclose(mirror.eval()(image()), 3 * mirror(image(), blobs=["bn"])["bn"] + 0.5, atol=1e-6)


def test_several_outputs_and_none() -> None:
    mirror = over_input(
        'layer { name: "s" type: "Slice" bottom: "data" top: "x" top: "y" slice_param { slice_point: 1 } }'
    )
    assert {name: tuple(blob.shape) for name, blob in mirror(image()).items()} == {"x": (2, 1, 6, 6), "y": (2, 2, 6, 6)}
    silent = over_input('layer { name: "s" type: "Silence" bottom: "data" }')
    assert silent(image()) == {}
    assert torch.equal(over_input("")(image()), image())


# Phases


def test_the_phases_of_a_train_test_file() -> None:
    shapes = {"data": (2, 3, 6, 6), "label": (2,)}
    net = netgen.parse_prototxt(DATA)
    with refused(netgen.NetgenError) as caught:
        netgen.to_torch(net)
    assert str(caught.value).startswith("layer 'd' (Data): its size lies in the database; give it: inputs={'data'")
    mirror = netgen.to_torch(net, inputs=shapes)
    assert not mirror.training
    assert list(mirror.outputs) == ["acc", "loss"]
    label = torch.tensor([1, 4])
    tested = mirror(image(), label)
    assert torch.equal(tested["loss"], mirror.loss(image(), label))
    scores = mirror(image(), label, blobs=["f"])["f"]
    assert torch.allclose(tested["loss"], torch.nn.functional.cross_entropy(scores, label))
    assert tested["acc"] == (scores.argmax(1) == label).float().mean()
    mirror.train()
    assert list(mirror.outputs) == ["loss"]
    assert (mirror(image(), label, blobs=["f"])["f"] == 0).any()
    assert netgen.to_torch(net, "TRAIN", shapes).training
    with refused(netgen.NetgenError) as caught:
        mirror(image(), torch.tensor([1, 5]))
    assert str(caught.value).startswith("layer 'loss' (SoftmaxWithLoss): labels must lie in 0..4, got 5; ")


def test_a_phase_that_cannot_be_built() -> None:
    mirror = over_input(
        'layer { name: "p" type: "Python" bottom: "data" top: "p" include { phase: TRAIN } python_param { module: "m" '
        'layer: "L" } } layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
    )
    assert torch.equal(mirror(image()), image().relu())
    with refused(netgen.NetgenError) as caught:
        mirror.train()(image())
    assert str(caught.value) == (
        "the network cannot run in phase TRAIN: layer 'p' (Python): its shapes lie in Python code, m.L; give them: "
        "inputs={'p': (...)} (--input p=...) (mirror.eval())"
    )
    assert mirror.eval()(image()).shape == (2, 3, 6, 6)
    with refused(netgen.NetgenError) as caught:
        netgen.to_torch(mirror.net, "TRAIN")
    assert str(caught.value).startswith("layer 'p' (Python): its shapes lie in Python code")


def test_a_layer_type_without_a_mirror_and_one_with_its_own() -> None:
    with forgotten_types():

        @netgen.register
        class Doubled(netgen.LayerType):
            """Twice the bottom."""

            def shapes(self, bottoms: Any) -> Any:
                return list(bottoms)

        net = netgen.Net().input(1, 3, 6, 6).doubled(name="d")
        with refused(netgen.NetgenError) as caught:
            netgen.to_torch(net)
        assert str(caught.value) == (
            "layer 'd' (Doubled): its type has no mirror in PyTorch; give it one: a subclass of netgen.LayerType with "
            "torch(bottoms), which returns a torch.nn.Module"
        )
        kind: Any = Doubled
        kind.torch = lambda *_: 2
        with refused(netgen.NetgenError) as caught:
            netgen.to_torch(net)
        assert str(caught.value).endswith("torch() of its type must return a torch.nn.Module, got 2")
        kind.torch = lambda *_: Twice()
        assert torch.equal(netgen.to_torch(net)(image()), 2 * image())


class Twice(torch.nn.Module):  # type: ignore[misc]
    def forward(self, bottom: Any) -> Any:
        return 2 * bottom


def test_no_loss() -> None:
    with refused(netgen.NetgenError) as caught:
        small().loss(image())
    assert str(caught.value) == "phase TEST has no layer with a loss; add one, such as SoftmaxWithLoss"


# Types of numbers, copies


@pytest.mark.parametrize(("kind", "apart"), [(torch.float64, 1e-6), (torch.bfloat16, 3e-2), (torch.float16, 3e-3)])
def test_other_types_of_numbers(kind: Any, apart: float) -> None:
    mirror = small()
    expected = mirror(image()).detach()
    got = copy.deepcopy(mirror).to(kind)(image()).detach()
    assert got.dtype == kind
    assert float((got.float() - expected).abs().max()) <= apart
    assert torch.equal(mirror(image().to(torch.int32)), mirror(image().to(torch.int32).float()))


def test_copies_are_their_own() -> None:
    mirror = small()
    before = mirror(image())
    for other in (copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror))):
        assert torch.equal(other(image()), before)
        assert list(other(image(), blobs="all")) == list(mirror(image(), blobs="all"))
        other.fill(5)
        assert not torch.equal(other(image()), before)
        assert torch.equal(mirror(image()), before)
        other.load_caffe_weights(mirror.caffe_weights())
        assert torch.equal(other(image()), before)
