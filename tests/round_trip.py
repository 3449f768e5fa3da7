"""What a Darknet network is, whatever its layers and blobs are called: for comparing one with what comes back of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netgen.darknet.versions import single_tops
from netgen.shapes import shape_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netgen.darknet import Darknet, Head
    from netgen.graph import Graph


def nameless(net: Graph) -> list[tuple[Any, ...]]:
    """Of each layer its type, fields, the numbers of the blobs that it reads, and the shapes of its tops."""
    numbers: dict[str, int] = {}
    rows = []
    for shaped in single_tops(shape_layers(net, State()))[0]:
        layer = shaped.layer
        rows.append((layer.type, layer.params, tuple(numbers[name] for name in layer.bottoms), shaped.tops))
        for top in layer.tops:
            numbers[top] = len(numbers)
    return rows


def placeless(heads: Iterable[Head]) -> list[Head]:
    """The heads without what names them, and what is a default or the same again."""
    made = []
    for head in heads:
        training = {key: each for key, each in head.training.items() if key not in ("groups", "bias_match", "anchors")}
        made.append(replace(head, index=0, line=0, blob="", training=training))
    return made


def random_weights(made: Darknet, header: tuple[int, ...] = (0, 2, 5, 32013312, 0)) -> bytes:
    """A weights file for a network: normal values, and above 0 where Darknet has variances and shares."""
    chance = np.random.RandomState(len(made.layers))
    data = [np.array(header, "<i4").tobytes()]
    for layer in made.layers:
        for letter, length in layer.runs:
            values = chance.standard_normal(length).astype("<f4")
            data.append(
                (abs(values) + np.float32(0.5) if letter == "v" or layer.type == "shortcut" else values).tobytes()
            )
    return b"".join(data)
