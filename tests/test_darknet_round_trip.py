"""Every cfg that is imported comes back: import, prototxt, export, import gives the same layers and the same floats."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.darknet.activations import ACTIVATIONS
from tests.round_trip import nameless, placeless, random_weights
from tests.test_darknet_refusals import SECTIONS
from tests.test_darknet_shapes import ENTRIES
from tests.test_darknet_shapes import REFUSED as NOT_IMPORTED

SHARED = os.environ.get("NETGEN_SHARED")
FORWARD = Path(SHARED or "") / "truth/darknet/forward"
CASES: list[dict[str, Any]] = (
    json.loads((FORWARD / "cases.json").read_text(encoding="utf-8"))["cases"] if SHARED else []
)

NOT_EXPORTED: dict[str, str] = {}
"""By file what export says of it. This list may only become shorter."""
OTHERWISE = {"ax_batchnorm.cfg": "its [batchnorm] becomes a part of the convolution before it"}
"""What comes back as other layers with the same numbers, and why. This list may only become shorter, too."""

FEWER_SECTIONS = {
    "act_layer": "an activation of its own becomes a part of the convolution before it",
    "logistic_layer": "as above",
    "batchnorm": "as above",
    "route_1": "a route at the end only names a layer",
    "silence": "as above",
}
"""The same with other sections, of all builds. This list may only become shorter."""

MOST_FLOATS = 9_000_000
"""Of the corpus those networks with no more weights come back with their floats: the others have no other sections."""

FILES = [
    *(Path(SHARED or "") / "corpus/darknet" / entry["file"] for entry in ENTRIES if entry["file"] not in NOT_IMPORTED),
    *(FORWARD / f"{case['name']}.cfg" for case in CASES if "recurrent" not in case["flags"]),
]

needs_data = pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder of reference data")


@needs_data
def test_the_files_are_there() -> None:
    assert len(FILES) == 88 + 151
    assert {path.name for path in FILES} >= {*NOT_EXPORTED, *OTHERWISE}


@needs_data
@pytest.mark.parametrize("forks", [False, True], ids=["plain", "forks"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_cfg(path: Path, forks: bool, tmp_path: Path) -> None:
    made = netgen.load_darknet(path, forks=forks)
    read = netgen.parse_prototxt(made.net.to_prototxt())
    if path.name in NOT_EXPORTED:
        with pytest.raises(netgen.NetgenError) as error:
            netgen.export_darknet(read, tmp_path / "back")
        assert NOT_EXPORTED[path.name] in str(error.value)
        return
    netgen.export_darknet(read, tmp_path / "back", heads=made.heads)
    again = netgen.load_darknet(tmp_path / "back.cfg", forks=forks)
    assert placeless(again.heads) == placeless(made.heads)
    assert (nameless(again.net) == nameless(made.net)) is (path.name not in OTHERWISE)
    assert (sections(again) == sections(made)) is (path.stem[3:] not in FEWER_SECTIONS)


@needs_data
@pytest.mark.parametrize(
    "file", [entry["file"] for entry in ENTRIES if entry.get("weights_floats", 0) <= MOST_FLOATS and entry["file"] not in NOT_IMPORTED]
)  # fmt: skip
def test_the_weights_of_a_cfg(file: str, tmp_path: Path) -> None:
    path = Path(SHARED or "") / "corpus/darknet" / file
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    check_weights(text, tmp_path, exact="xnor=1" not in text)


def sections(made: netgen.darknet.Darknet) -> list[str]:
    """The sections of a network, without those that do nothing in testing and leave no layer in Caffe."""
    return [layer.type for layer in made.layers if layer.type not in ("cost", "empty")]


def check_weights(text: str, folder: Path, *, exact: bool = True) -> None:
    """Export what is imported with random weights, and compare layers and bytes, or values."""
    cfg, weights = folder / "first.cfg", folder / "first.weights"
    cfg.write_text(text, encoding="utf-8", errors="surrogateescape")
    weights.write_bytes(random_weights(netgen.load_darknet(cfg)))
    made = netgen.load_darknet(cfg, weights)
    read = netgen.parse_prototxt(made.net.to_prototxt())
    netgen.export_darknet(read, folder / "back", made.weights)
    again = netgen.load_darknet(folder / "back.cfg", folder / "back.weights")
    assert nameless(again.net) == nameless(made.net)
    if exact:
        assert (folder / "back.weights").read_bytes()[20:] == weights.read_bytes()[20:]
    for first, second in zip(made.weights.values(), again.weights.values(), strict=True):
        # A mean of equal float32 may differ in the last bits.
        np.testing.assert_allclose(second, first, rtol=0 if exact else 1e-5, atol=0)


NET = "[net]\nwidth=8\nheight=8\nchannels=8\n"
CONV = "[convolutional]\nfilters=8\nsize=3\npad=1\nbatch_normalize=1\nactivation={}\n"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_of_each_section(name: str, tmp_path: Path) -> None:
    sections = [
        CONV, "[conn]\noutput=8\nactivation={}\n", "[shortcut]\nfrom=0\nactivation={}\n", "[scale_channels]\nfrom=0\nactivation={}\n",
        "[maxpool]\nsize=2\nstride=2\n[activation]\nactivation={}\n",
    ]  # fmt: skip
    for section in sections:
        images = CONV.format("leaky") + ("[avgpool]\n" if section.startswith("[scale") else CONV.format(name))
        check_weights(NET + images + section.format(name), tmp_path)


OTHER_SECTIONS = [
    "[shortcut]\nfrom=-2\nalpha=2\nbeta=.5\n", "[shortcut]\nfrom=-2\nweights_type=per_channel\nweights_normalization=relu\n",
    "[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=-2\n", "[conv]\nfilters=4\nactivation=linear\n[shortcut]\nfrom=-2\n",
    "[conv]\nfilters=16\nactivation=linear\n[shortcut]\nfrom=-2\nactivation=swish\n", "[upsample]\nstride=2\n[shortcut]\nfrom=-2\n",
    "[route]\nlayers=-1,-2\ngroups=2\ngroup_id=1\n", "[reorg]\nextra=5\n", "[reorg]\nstride=2\nflatten=1\n",
    "[reorg]\nstride=2\nreverse=1\n", "[reorg]\nstride=2\nreverse=1\nflatten=1\n", "[l2norm]\n", "[reorg3d]\nstride=4\n",
    "[softmax]\ngroups=4\ntemperature=3\n", "[softmax]\ntemperature=.7\n", "[avgpool]\n[softmax]\ngroups=2\n",
    "[upsample]\nstride=2\nscale=.5\n", "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=-1,0\n[softmax]\n",
    "[conv]\nfilters=1\n[scale_channels]\nfrom=-2\nscale_wh=1\n", "[maxpool]\nmaxpool_depth=1\nout_channels=2\n",
    CONV.format("relu") + "share_index=-1\n",
    CONV.format("relu") + "share_index=1\n" + CONV.format("relu6") + "share_index=2\n",
    "[maxpool]\nsize=3\nstride=2\npadding=0\n",
    "[maxpool]\nsize=3\nstride=2\nantialiasing=1\n", "[conv]\nfilters=4\nsize=3\npad=1\nstride=2\nantialiasing=2\n",
    "[maxpool]\nsize=2\nstride=1\n[crop]\ncrop_height=8\ncrop_width=5\nnoadjust=1\n",
    "[crop]\ncrop_height=6\ncrop_width=5\n[crop]\ncrop_height=3\ncrop_width=5\nnoadjust=1\n",
]  # fmt: skip


@pytest.mark.parametrize("section", OTHER_SECTIONS)
def test_a_section(section: str, tmp_path: Path) -> None:
    text = NET + CONV.format("mish") + CONV.format("gelu") + section
    weighted = "weights_type" in section
    # Factors are told, not the weights that they are shares of.
    check_weights(text, tmp_path, exact=not weighted)
    (tmp_path / "t.cfg").write_text(text, encoding="utf-8")
    made = netgen.load_darknet(tmp_path / "t.cfg")
    notes = netgen.export_darknet(made.net, tmp_path / "back")
    again = netgen.load_darknet(tmp_path / "back.cfg")
    assert nameless(again.net) == nameless(made.net)
    assert sections(again) == sections(made)
    assert bool(notes) is any(word in section for word in ("weights_type", "alpha", "stride=2\n[shortcut]", "l2norm"))


@pytest.mark.parametrize("seed", range(10))
def test_stacks_of_sections(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    done = 0
    for _ in range(20):
        text = (
            NET + CONV.format("leaky") + "".join(chance.choices([*SECTIONS, *OTHER_SECTIONS], k=chance.randrange(1, 5)))
        )
        (tmp_path / "t.cfg").write_text(text, encoding="utf-8")
        try:
            made = netgen.load_darknet(tmp_path / "t.cfg")
        except netgen.NetgenError:
            continue
        netgen.export_darknet(made.net, tmp_path / "back")
        again = netgen.load_darknet(tmp_path / "back.cfg")
        done += 1
        assert again.layers[-1].outputs == made.layers[-1].outputs
        assert netgen.analyze(again.net).totals()["macs"] == netgen.analyze(made.net).totals()["macs"], text
    assert done > 4
