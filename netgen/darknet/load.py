"""Darknet's ``.cfg`` and ``.weights`` as a Caffe network with the same numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.darknet.cfg import Section, parse_cfg
from netgen.darknet.table import ALIASES, LATER, REFUSED, SECTIONS
from netgen.darknet.translation import Head, Translation, Value
from netgen.errors import NetgenError, ParseError, did_you_mean
from netgen.files import file_name, read_text

if TYPE_CHECKING:
    from netgen.builder import Net
    from netgen.darknet.weights import Header

_MOST_VALUES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DarknetLayer:
    """What became of one section: ``blob`` holds the layer's output, of ``outputs`` values an image.

    ``shape`` is channels, height and width, None where Darknet has only a number of values. ``runs`` are the floats
    that a weights file holds of it, in order: b biases, s scales, m mean, v variance, w weights.
    """

    index: int
    type: str
    line: int
    blob: str
    shape: tuple[int, int, int] | None
    outputs: int
    runs: tuple[tuple[str, int], ...]


class Darknet(NamedTuple):
    """A Darknet network in Caffe's terms; ``netgen.load_darknet`` makes it."""

    net: Net
    weights: dict[str, Any]
    """Caffe's arrays by ``"layer:index"``, numpy float32; empty without a weights file."""
    blobs: dict[int, str]
    """By the index of a Darknet layer the blob that holds its output, of a head what it reads."""
    heads: tuple[Head, ...]
    """The detection heads, whose own arithmetic is left out."""
    notes: tuple[str, ...]
    """What was passed over, and which layers no stock Caffe takes."""
    layers: tuple[DarknetLayer, ...]
    header: Header | None = None
    """What the weights file begins with; None without one."""


def load_darknet(
    cfg: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    *,
    cutoff: int | None = None,
    forks: bool = False,
) -> Darknet:
    """The Caffe network that a Darknet ``.cfg`` describes, with the numbers of its ``.weights``.

    Everything is plain Caffe where that gives the same numbers; ``forks=True`` takes the layers of forks that are
    shorter (Upsample, Reorg, Mish, ReLU6). BatchNorm's eps is 1e-5, as on the GPU. ``cutoff`` is the number of layers
    whose weights a partial file holds, as ``darknet53.conv.74`` says by its name. Heads (yolo, region, gaussian_yolo,
    detection) end at what they read. Raises ParseError with the line of what cannot be translated, NetgenError for
    weights of another network, UsageError for a file that cannot be read.
    """
    path = file_name(cfg)
    text = read_text(path)
    if "\0" in text:
        raise ParseError(path, 0, 0, "this is binary data, not the text of a cfg; give the weights beside it")
    t, kinds = translate(text, path, forks)
    from netgen.darknet.weights import fixed_weights, read_weights

    arrays: dict[str, Any] = {}
    header = None
    if weights is not None:
        name = file_name(weights)
        arrays, remarks, header = read_weights(name, t.stored, kinds, cutoff)
        arrays.update(fixed_weights(t.fixed, arrays))
        t.net.notes += tuple(remarks)
    layers = tuple(
        DarknetLayer(i, kind, section.line, value.blob, value.shape, value.outputs, _runs(t, i))
        for i, ((kind, section), value) in enumerate(zip(kinds, t.values, strict=True))
    )
    blobs = {layer.index: layer.blob for layer in layers}
    return Darknet(t.net, arrays, blobs, tuple(t.heads), t.net.notes, layers, header)


def translate(text: str, path: str, forks: bool = False) -> tuple[Translation, list[tuple[str, Section]]]:
    """The translation of a cfg's text, and of each layer the canonical type and its section."""
    sections, notes = parse_cfg(text, path)
    first, *rest = sections
    if ALIASES.get(first.type, first.type) != "net":
        raise first.error("comes first; a cfg begins with [net], which says width, height and channels")
    if not rest:
        raise first.error("is the only section; there is no layer behind it")
    name = os.path.basename(path).removesuffix(".cfg")
    t = Translation("".join(each if each.isprintable() else "_" for each in name), forks)
    t.notes = notes
    before = _input(t, first)
    kinds: list[tuple[str, Section]] = []
    t.shared = _shared(rest)
    for section in rest:
        kind = _kind(section)
        short, translator = SECTIONS[kind]
        t.begin(short, section)
        before = _translated(t, section, translator, before)
        t.values.append(before)
        kinds.append((kind, section))
    t.notes += _unread([first, *rest])
    t.notes += _unusual(path, t)
    t.net.notes = tuple(t.notes)
    return t, kinds


def _input(t: Translation, section: Section) -> Value:
    """The net's input: an image, or ``inputs`` values."""
    sizes = [section.integer(key, 0, least=0) for key in ("channels", "height", "width")]
    flat = section.integer("inputs", 0, least=0)
    section.known |= section.options.keys()
    if min(sizes) > 0:
        channels, height, width = sizes
        _check_count(section, channels * height * width)
        t.net.input(1, *sizes)
        return Value("data", (channels, height, width), channels * height * width)
    if not flat:
        key = next(key for key, size in zip(("channels", "height", "width"), sizes, strict=True) if not size)
        raise section.error(f"{key} is {'0' if section.has(key) else 'missing'}; give width, height and channels", key)
    t.net.input(1, flat)
    return Value("data", None, flat, flat=True)


def _shared(sections: Sequence[Section]) -> dict[int, int]:
    """By index of the layers that have the weights of one (AlexeyAB's share_index), that one."""
    shared: dict[int, int] = {}
    for i, section in enumerate(sections):
        if "share_index" in section.options:
            number = section.integer("share_index", 0)
            source = number if number >= 0 else i + number
            first = shared.get(source, source)
            shared |= {i: first, first: first}
    return shared


def _kind(section: Section) -> str:
    kind = ALIASES.get(section.type, section.type)
    if kind in SECTIONS:
        return kind
    if kind == "net":
        raise section.error("comes once, at the beginning; one file is one network")
    if kind in REFUSED:
        raise section.error(f"cannot be translated: {REFUSED[kind]}; cut the cfg before it")
    near = did_you_mean(section.type, [*SECTIONS, *ALIASES, *REFUSED])
    raise section.error(f"is no section that Darknet knows{near or '; remove it'}")


def _translated(t: Translation, section: Section, translator: Any, before: Value) -> Value:
    try:
        value: Value = translator(t, section, before)
    except ParseError:
        raise
    except NetgenError as error:
        # What the builder or a shape rule refuses beyond the checks of the sections.
        raise section.error(str(error)) from None
    _check_count(section, value.outputs)
    return value


def _check_count(section: Section, outputs: int) -> None:
    if outputs > _MOST_VALUES:
        raise section.error(f"would give {outputs} values, more than the {_MOST_VALUES} of a blob")


def _unread(sections: Sequence[Section]) -> list[str]:
    """Remarks on keys that nothing reads, once for each section and key: slips of the pen are among them."""
    notes: dict[tuple[str, str], str] = {}
    for section in sections:
        for key in section.options.keys() - section.known - LATER:
            near = did_you_mean(key, section.known | LATER)
            line = section.options[key].line
            text = f"{section.path}:{line}: [{section.type}] {key} is not read{near or '; it changes nothing'}"
            notes.setdefault((section.type, key), text)
    return sorted(notes.values())


def _unusual(path: str, t: Translation) -> list[str]:
    return [
        f"{path}: no stock Caffe has the type {kind}, first used for {where}" for kind, where in t.unusual_types.items()
    ]


def _runs(t: Translation, index: int) -> tuple[tuple[str, int], ...]:
    stored = t.stored.get(index)
    return () if stored is None or stored.shares is not None else stored.runs
