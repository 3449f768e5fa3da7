"""Every cfg of the corpus against what Darknet itself says of it: shapes, BFLOPs, and the floats of its weights."""

from __future__ import annotations

import json
import os
from math import prod
from pathlib import Path
from typing import Any

import pytest

import netgen

SHARED = os.environ.get("NETGEN_SHARED")
ENTRIES: list[dict[str, Any]] = (
    json.loads((Path(SHARED) / "truth/darknet/shapes.json").read_text(encoding="utf-8"))["cfgs"] if SHARED else []
)

REFUSED = {
    "AlexeyAB__darknet__cfg__yolov3-tiny_occlusion_track.cfg": (112, "[crnn] cannot be translated: it keeps a state"),
    "AlexeyAB__darknet__yolo-obj@b9534b7b.cfg": (613, "[conv_lstm] cannot be translated: it keeps a state"),
    "pjreddie__darknet__cfg__gru.cfg": (15, "[gru] cannot be translated: it keeps a state"),
    "pjreddie__darknet__cfg__gru@13413e9c.cfg": (15, "[gru] cannot be translated: it keeps a state"),
    "pjreddie__darknet__cfg__rnn.cfg": (14, "[rnn] cannot be translated: it keeps a state"),
    # Neither build of Darknet reads these three.
    "pjreddie__darknet__cfg__rbms@8bd204de.cfg": (11, "[rbm] is no section that Darknet knows"),
    "pjreddie__darknet__cfg__yolov3-odla@cad7b2f0.cfg": (25, "[odla] is no section that Darknet knows"),
    "pjreddie__darknet__cfg__tiny_detector@c9c1c997.cfg": (178, "filters=30, or set classes=20"),
    # 1280 channels in 1024 groups: Darknet reads every fifth channel not at all.
    "pjreddie__darknet__cfg__yolov2-separable@cf8c7f0a.cfg": (400, "groups must divide the channels and filters"),
}
"""The files that are refused: the line, and what is said."""

pytestmark = pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder of reference data")


def path_of(entry: dict[str, Any]) -> Path:
    assert SHARED
    return Path(SHARED) / "corpus/darknet" / str(entry["file"])


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_a_cfg(entry: dict[str, Any]) -> None:
    if entry["file"] in REFUSED:
        line, words = REFUSED[entry["file"]]
        with pytest.raises(netgen.ParseError) as error:
            netgen.load_darknet(path_of(entry))
        assert error.value.line == line
        assert words in str(error.value)
        return
    made = netgen.load_darknet(path_of(entry))
    analysis = netgen.analyze(made.net)
    macs = {row["name"]: row["macs"] for row in analysis.rows()}
    assert len(made.layers) == len(entry["layers"])
    bflops, floats = 0.0, 0
    for layer, truth in zip(made.layers, entry["layers"], strict=True):
        where = (layer.index, layer.type)
        assert (layer.type, layer.outputs) == (truth["type"], truth["outputs"]), where
        assert prod(analysis.blobs[layer.blob]) == truth["outputs"], where
        # Flat layers have the sizes 0 in Darknet, or those of what they read.
        if layer.shape and truth["out"] != [0, 0, 0]:
            assert list(layer.shape) == truth["out"], where
            assert len(analysis.blobs[layer.blob]) == 2 or analysis.blobs[layer.blob][1:] == layer.shape, where
        runs = [run for run in layer.runs if not (is_bare(entry, layer.type) and run[0] == "b")]
        assert " ".join(f"{letter}{length}" for letter, length in runs) == (truth.get("reads") or ""), where
        floats += sum(length for _, length in runs)
        if layer.type == "convolutional":
            # Printed with float arithmetic, of 24 bits.
            assert 2 * macs[f"layer{layer.index + 1}-conv"] / 1e9 == pytest.approx(truth["bflops"], rel=1e-6), where
            bflops += 2 * macs[f"layer{layer.index + 1}-conv"] / 1e9
        elif entry["build"] == "alexey":
            # AlexeyAB counts maxpools and shortcuts, too.
            bflops += truth["bflops"] or 0
    assert (floats, 20 + 4 * floats) == (entry["weights_floats"], entry["weights_bytes"])
    assert bflops == pytest.approx(entry["bflops_total"], rel=1e-6)


def is_bare(entry: dict[str, Any], kind: str) -> bool:
    """Whether the build stores no biases of this layer."""
    return bool(entry["build"] == "pjreddie") and kind == "batchnorm"


def test_the_refused_are_there() -> None:
    assert len(ENTRIES) == 97
    assert {entry["file"] for entry in ENTRIES} >= REFUSED.keys()
