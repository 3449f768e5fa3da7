"""``netgen report`` and ``netgen.analyze``: the same numbers in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import netgen
from netgen.analysis import COLUMNS, analyze
from netgen.cli import main
from netgen.report import markdown_report, text_report

SCHEMA = json.loads((Path(netgen.__file__).parent / "report.schema.json").read_text(encoding="utf-8"))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["report", *words])
        return code, *capfd.readouterr()

    return run


def hostile() -> netgen.Net:
    return netgen.Net("a|b<script>").input(1, 3, 8, 8, name="x\n| <b>").conv(4, 3, name="c\u202e")


def test_json_follows_its_schema(run: Run) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    code, out, err = run("peleenet", "--format", "json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    assert report == netgen.analyze(netgen.build("peleenet")).to_dict()
    assert report["inputs"] == {"data": [1, 3, 224, 224]}
    assert report["blobs"]["stage4"] == [1, 704, 7, 7]
    assert report["totals"]["weights"] == 2_802_248
    assert (report["uncounted"], report["error"]) == ([], None)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "name": 3}, SCHEMA)


def test_json_tells_what_each_blob_sees(run: Run, tmp_path: Path) -> None:
    net = netgen.Net().input(1, 4, 9, 9).conv(4, 3, stride=2, name="c").layer("Slice", name="s", top=["a", "b"])
    net.save(tmp_path / "net.prototxt")
    report = json.loads(run("net.prototxt", "--format", "json")[1])
    jsonschema.validate(report, SCHEMA)
    seen = {"receptive_field": [3, 3], "stride": [2, 2]}
    assert report["receptive_fields"] == {
        "data": {"receptive_field": [1, 1], "stride": [1, 1]},
        "c": seen,
        "a": seen,
        "b": seen,
    }


def test_csv_has_a_line_a_layer(run: Run, tmp_path: Path) -> None:
    assert run("peleenet", "-o", "out.csv") == (0, "", "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 482
    assert sum(int(row["macs"]) for row in rows) == 507_757_568
    assert rows[1]["shapes"] == "1x32x112x112"


def test_text_has_layers_types_the_costliest_and_totals(run: Run) -> None:
    code, out, _ = run("peleenet")
    assert code == 0
    assert out.startswith("PeleeNet, phase TEST\ninput data: 1x3x224x224\n")
    lines = out.splitlines()
    assert any(line.split()[:4] == ["stem1", "Convolution", "1x32x112x112", "864"] for line in lines)
    assert any(line.split()[:3] == ["Convolution", "113", "2,087,520"] for line in lines)
    assert lines[3].split() == [
        "layer", "type", "top", "weights", "macs", "flops", "activations", "field", "px", "stride", "px"
    ]  # fmt: skip
    assert "flops  share of flops" in out
    assert "weights            2,802,248 learned, 9,841 statistics" in lines
    assert "macs               507,757,568 multiply-adds of matrix products" in lines


def test_every_form_for_people_says_what_its_numbers_count(run: Run) -> None:
    analysis = analyze(netgen.build("lenet"))
    for form in (text_report(analysis), markdown_report(analysis), analysis._repr_html_(), text_report(analysis, 60)):
        said = " ".join(form.split())
        for words in (
            "weights: learned values", "macs: multiply-adds of matrix products", "flops: single operations",
            "activations: values", "px: pixels of the input",
        ):  # fmt: skip
            assert words in said
    said = run("--help")[1]
    for column in ("learned", "statistics", "macs", "flops", "live_bytes", "bytes_read", "bytes_written", "intensity"):
        assert column in COLUMNS
        assert column in said.partition("positional")[0]


def test_text_fits_a_terminal_and_is_whole_elsewhere() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="a_very_long_layer_name_" * 8)
    analysis = analyze(net)
    assert "a_very_long_layer_name_" * 8 in text_report(analysis)
    table = text_report(analysis, 100).split("by type")[0]
    assert max(map(len, table.splitlines())) <= 100
    assert "a_very_long_l" in table


def test_a_narrow_terminal_has_fewer_columns_and_whole_numbers() -> None:
    analysis = analyze(netgen.build("peleenet"))
    table = text_report(analysis, 80).partition("weights: learned")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert [line.split() for line in table.splitlines() if line.startswith(("layer", "stem1 "))] == [
        ["layer", "type", "top", "weights", "macs", "flops"],
        ["stem1", "Convolution", "1x32x112x112", "864", "10,838,016", "21,676,032"],
    ]
    assert "no room for: activations, field px, stride px; a wider window or a pipe has it" in table
    assert "no room for" not in text_report(analysis, 120) + text_report(analysis)
    assert "no room for: macs, flops," in " ".join(text_report(analysis, 10).split())


def test_markdown(run: Run) -> None:
    code, out, _ = run("peleenet", "--format", "markdown")
    assert code == 0
    assert "| stem1 | Convolution | 1x32x112x112 | 864 |" in out
    assert "- macs: 507,757,568 multiply-adds of matrix products" in out


def test_text_of_files_is_data_in_every_form() -> None:
    analysis = analyze(hostile())
    for text in (text_report(analysis), markdown_report(analysis), analysis._repr_html_()):
        assert "\u202e" not in text
        assert "<script>" not in markdown_report(analysis)
    assert "<script>" not in analysis._repr_html_()
    assert "x\n|" not in text_report(analysis)
    json.dumps(analysis.to_dict())


def test_an_object_for_notebooks_and_pandas() -> None:
    analysis = netgen.analyze(netgen.build("peleenet"), phase="TEST", inputs={"data": (2, 3, 64, 64)})
    assert analysis.blobs["prob"] == (2, 1000)
    assert [row["name"] for row in analysis.rows()][:2] == ["data", "stem1"]
    assert analysis._repr_html_().startswith("<table>")
    assert netgen.infer_shapes(netgen.build("peleenet"))["stem"] == (1, 32, 56, 56)


def test_phases_and_inputs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 8 } include { phase: TRAIN } }'
        'layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 2 } include { phase: TEST } }'
        'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 4 } }'
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "l" include { phase: TRAIN } }'
    )
    code, out, err = run("net.prototxt")
    assert code == 1
    assert "layer 'd' (Data)" in err
    assert "--input data=N,C,H,W" in err
    inputs = ["--input", "data=8,3,4,4", "--input", "label=8"]
    code, out, _ = run("net.prototxt", "--phase", "TRAIN", *inputs, "--format", "json")
    assert code == 0
    assert json.loads(out)["blobs"] == {"data": [8, 3, 4, 4], "label": [8], "f": [8, 4], "l": []}
    assert "l" not in json.loads(run("net.prototxt", *inputs, "--format", "json")[1])["blobs"]


def test_conventions(run: Run) -> None:
    assert run("peleenet", "--convention", "netscope") == (0, "510728928 macc\n", "")
    assert run("peleenet", "--convention", "torch") == (0, "1015515136 flops\n", "")
    for words, form in ((["--format", "json"], "json"), (["-o", "total.html"], "html")):
        assert run("peleenet", "--convention", "torch", *words) == (
            2, "",
            f"netgen: --convention: it prints one total, as text, and {form} is asked for; leave one of them out\n",
        )  # fmt: skip


def test_the_table_goes_up_to_the_layer_that_stops_it(run: Run, tmp_path: Path) -> None:
    net = netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").layer("Zwirbel", name="z").relu()
    net.save(tmp_path / "n.prototxt")
    code, out, err = run("n.prototxt")
    assert code == 1
    assert "Convolution" in out
    assert err.startswith(
        "netgen: layer 'z' (Zwirbel): the type is not known, so its shapes are not (a type of your own: netgen.register"
    )
    assert run("n.prototxt", "-o", "out.txt")[:2] == (1, "")
    assert not (tmp_path / "out.txt").exists()
    report = json.loads(run("n.prototxt", "--format", "json")[1])
    jsonschema.validate(report, SCHEMA)
    assert [layer["name"] for layer in report["layers"]] == ["data", "c"]
    assert report["error"].startswith("layer 'z'")


def test_what_a_terminal_would_obey_is_escaped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text('layer { name: "z" type: "Z\x1b[31m\r" top: "z" }')
    code, _, err = run("n.prototxt", "--format", "csv")
    assert (code, err[:41]) == (1, r"netgen: layer 'z' (Z\x1b[31m\r): the type")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["peleenet", "--input", "data"], "--input: expected BLOB=N,C,H,W, as in --input data=1,3,224,224, got 'data'"),
        (
            ["peleenet", "--input", "data=1,x"],
            "--input: expected BLOB=N,C,H,W, as in --input data=1,3,224,224, got 'data=1,x'",
        ),
        (["peleenet", "--input", "dta=1,3,8,8"], "--input: the net has no blob 'dta'; did you mean 'data'?"),
        (["peleenet", "--phase", "VAL"], "--phase: must be one of TEST, TRAIN, got 'VAL'"),
        (["nonet"], "no network 'nonet'"),
        (["peleenet", "size=0"], "peleenet: size must be a whole number of 1 or more, got 0"),
    ],
)
def test_wrong_commands(words: list[str], text: str, run: Run) -> None:
    code, _, err = run(*words)
    assert code in (1, 2)
    assert err.startswith(f"netgen: {text}")
    assert err.count("\n") == 1


def test_wrong_arguments_from_python() -> None:
    net = netgen.build("peleenet")
    with pytest.raises(netgen.UsageError, match="phase must be TRAIN or TEST, got 'test'"):
        netgen.analyze(net, "test")
    for shape in ("x", 3, (1, "x"), (1.5, 3), None):
        with pytest.raises(netgen.UsageError, match="input 'data': the shape must be a list of whole numbers, got"):
            netgen.infer_shapes(net, inputs={"data": shape})  # type: ignore[dict-item]
    with pytest.raises(netgen.UsageError, match=r"give a net \(netgen.load reads one from a file\), got 'x.prototxt'"):
        netgen.analyze("x.prototxt")  # type: ignore[arg-type]


def test_huge_and_negative_inputs_take_no_memory() -> None:
    net = netgen.build("peleenet")
    for shape in ((1, 3, 2**31, 2**31), (1, 3, -224, 224), (2**40, 3, 224, 224)):
        with pytest.raises(netgen.NetgenError, match="data"):
            netgen.analyze(net, inputs={"data": shape})
