"""``netgen diff``: what changed between two networks, by meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import netgen
from netgen.cli import main
from netgen.comparison import FieldChange, compare

Run = Callable[..., tuple[int, str, str]]


def read(text: str) -> netgen.Net:
    return netgen.parse_prototxt(text)


def conv(name: str, fields: str = "", bottom: str = "x") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" '
        f"convolution_param {{ num_output: 4 kernel_size: 3 {fields} }} }}\n"
    )


INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'


@pytest.mark.parametrize(
    "same",
    [
        INPUT + conv("a", "bias_term: true group: 1 axis: 1"),
        INPUT + conv("a", "weight_filler { }"),
        INPUT + conv("a", "engine: DEFAULT"),
        INPUT + conv("a", "stride: 1 pad: 0 dilation: 1"),
        INPUT + conv("a", "stride: 1 stride: 1"),
        INPUT + conv("a").replace("convolution_param", "param { lr_mult: 1 } relu_param { } convolution_param"),
    ],
)
def test_what_means_the_same_is_no_change(same: str) -> None:
    assert not compare(read(INPUT + conv("a")), read(same))


def test_what_a_type_means_by_a_field_that_is_not_given() -> None:
    def net(**fields: object) -> netgen.Net:
        net = netgen.Net().input(1, 3, 8, 8).input(1, 3, 4, 4, name="small")
        return net.crop(["data", "small"], name="c", **fields).prior_box(["c", "data"], name="p", min_size=[2.0])

    plain = read(net().to_prototxt())
    assert not compare(plain, read(net(offset=[0, 0]).to_prototxt()))
    given = net(offset=[0, 1]).to_prototxt().replace("min_size", "variance: 0.1 variance: 0.2 min_size")
    crop, priors = compare(plain, read(given)).changed
    assert crop.fields == (FieldChange("crop_param.offset", (0,), (0, 1)),)
    assert priors.fields == (FieldChange("prior_box_param.variance", (0.1,), (0.1, 0.2)),)
    assert not compare(plain, read(net().to_prototxt().replace("min_size", "variance: 0.1 min_size")))


def test_fields() -> None:
    found = compare(
        read(INPUT + conv("a")),
        read(INPUT + conv("a", "stride: 2 bias_term: false").replace("Convolution", "Zwirbel", 1)),
    )
    assert found
    (change,) = found.changed
    assert change.fields == (
        FieldChange("type", "Convolution", "Zwirbel"),
        FieldChange("convolution_param.stride", (1,), (2,)),
        FieldChange("convolution_param.bias_term", True, False),
    )


def test_layers_added_removed_and_moved() -> None:
    old = read(INPUT + conv("a") + conv("b") + conv("c") + conv("d"))
    new = read(INPUT + conv("d") + conv("a") + conv("c") + conv("e"))
    found = compare(old, new)
    assert [layer.name for layer in found.removed] == ["b"]
    assert [layer.name for layer in found.added] == ["e"]
    assert [layer.name for layer in found.moved] == ["d"]
    assert found.changed == ()


def test_twins_of_two_phases_are_two_layers() -> None:
    def twins(test_batch: int) -> netgen.Net:
        net = netgen.Net()
        for phase, batch in (("TRAIN", 32), ("TEST", test_batch)):
            net.data(name="data", top=["data", "label"], batch_size=batch, include=phase)
        return net

    (change,) = compare(twins(8), twins(16), inputs={"data": (8, 3, 8, 8), "label": (8,)}).changed
    assert change.old.params["include"] == ({"phase": "TEST"},)
    assert change.fields == (FieldChange("data_param.batch_size", 8, 16),)


def test_shapes_and_costs() -> None:
    found = compare(netgen.build("peleenet"), netgen.build("peleenet", classes=10))
    assert found.shapes == (
        FieldChange("classifier", "1x1000", "1x10"),
        FieldChange("prob", "1x1000", "1x10"),
    )
    costs = {change.path: change.new - change.old for change in found.costs}
    assert costs["weights"] == -990 * 705
    assert costs["macs"] == -990 * 704
    assert "statistics" not in costs


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["diff", *words])
        return code, *capfd.readouterr()

    return run


def test_the_command_says_it_and_exits_as_diff_does(run: Run, tmp_path: Path) -> None:
    netgen.build("peleenet").save(tmp_path / "a.prototxt")
    assert run("a.prototxt", "peleenet") == (0, "", "")
    netgen.build("peleenet", classes=10).save(tmp_path / "b.prototxt")
    code, out, err = run("a.prototxt", "b.prototxt")
    assert (code, err) == (1, "")
    assert out.splitlines()[:3] == [
        "~ layer 'classifier' (InnerProduct): inner_product_param.num_output 1000 -> 10",
        "blob 'classifier': 1x1000 -> 1x10",
        "blob 'prob': 1x1000 -> 1x10",
    ]
    assert "weights: 2,802,248 -> 2,104,298 (-697,950)" in out.splitlines()
    report = json.loads(run("a.prototxt", "b.prototxt", "--format", "json")[1])
    assert report["different"] is True
    assert report["changed"][0]["fields"][0] == {"path": "inner_product_param.num_output", "old": 1000, "new": 10}


def test_an_input_is_an_input_however_it_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.prototxt").write_text(
        'input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n' + conv("a")
    )
    (tmp_path / "new.prototxt").write_text(INPUT.replace('name: "x"', 'name: "input"') + conv("a"))
    assert run("old.prototxt", "new.prototxt") == (0, "", "")


def test_trouble_is_2_and_networks_without_shapes_are_compared_all_the_same(run: Run, tmp_path: Path) -> None:
    code, out, err = run("peleenet", "missing.prototxt")
    assert (code, out, err) == (2, "", "netgen: missing.prototxt: no such file\n")
    (tmp_path / "broken.prototxt").write_text("layer {")
    code, out, err = run("broken.prototxt", "peleenet")
    assert (code, out) == (2, "")
    assert err.startswith("netgen: broken.prototxt:1:8: expected '}' before the end of the file")
    (tmp_path / "z.prototxt").write_text(INPUT + 'layer { name: "z" type: "Zwirbel" bottom: "x" top: "z" }')
    (tmp_path / "y.prototxt").write_text(INPUT + 'layer { name: "y" type: "Zwirbel" bottom: "x" top: "y" }')
    code, out, err = run("z.prototxt", "y.prototxt")
    assert (code, out) == (1, "- layer 'z' (Zwirbel)\n+ layer 'y' (Zwirbel)\n")
    assert err.startswith("note: z.prototxt: shapes and cost end at layer 'z' (Zwirbel): the type is not known")
