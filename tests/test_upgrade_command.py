"""Old networks through ``netgen.load`` and ``netgen upgrade``, and files that mix formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import netgen
from netgen.cli import main
from netgen.prototxt import parse
from netgen.upgrade import upgrade
from tests.test_upgrade import ROOT

# Loading, mixtures, the command


def test_loading_keeps_a_v2_file_and_upgrades_an_old_one() -> None:
    inputs = 'input: "a" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 '
    new = inputs + 'layer { name: "b" type: "BatchNorm" bottom: "a" top: "b" param { } param { } param { } }'
    assert netgen.parse_prototxt(new) == parse(new)
    old = netgen.parse_prototxt(inputs + 'layers { name: "r" type: RELU bottom: "a" top: "r" }')
    assert [layer.type for layer in old.layers] == ["Input", "ReLU"]
    assert old.relu(name="more").last.name == "r"
    # Of an input without a shape Caffe would leave nothing; here its shape can still be given.
    assert netgen.parse_prototxt('input: "a" layers { }').inputs == ("a",)
    assert parse("layers { name: 'r' }").params == {"layers": ({"name": "r"},)}


def test_a_mixture_of_layer_and_layers_is_refused() -> None:
    text = 'layer { name: "a" type: "ReLU" }\n layers { name: "b" type: RELU }'
    rule = r"^old.prototxt:2:2: the net has both 'layer' \(V2\) and 'layers' \(V0, V1\) fields, which Caffe refuses; "
    with pytest.raises(netgen.ParseError, match=rule):
        netgen.parse_prototxt(text, "old.prototxt")
    with pytest.raises(netgen.NetgenError, match="both 'layer'"):
        upgrade(parse(text))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text('input: "a" input_shape { dim: 2 } layers { name: "s" type: SEG_ACCURACY bottom: "a" }')
    assert main(["upgrade", str(old), "-o", str(new)]) == 0
    assert parse(new.read_text()) == upgrade(parse(old.read_text()))
    assert f"note: {old}: layer 's' (SEG_ACCURACY): type SEG_ACCURACY is a fork's" in capsys.readouterr().err
    old.write_text('input: "a" layers { }')
    assert main(["upgrade", str(old)]) == 0
    assert capsys.readouterr().out == "layer {\n}\n"
    old.write_text('net: "n"  # what to train\nsolver_type: ADAM base_lr: 0.5')
    assert main(["upgrade", str(old)]) == 0
    assert capsys.readouterr().out == 'base_lr: 0.5\nnet: "n"\ntype: "Adam"\n'
    old.write_text('input: "a" layers { name: "b" layer { type: "conv" } } layer { }')
    assert main(["upgrade", str(old), "-o", str(new)]) == 1
    assert f"{old}:1:56: the net has both" in capsys.readouterr().err


def test_a_v2_file_needs_no_upgrade_module() -> None:
    code = "import sys, netgen; netgen.parse_prototxt('layer { }'); assert 'netgen.upgrade' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
