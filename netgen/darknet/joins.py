"""Sections that read earlier layers: route, shortcut, scale_channels, sam (src/parser.c, parse_route and so on)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.darknet.activations import activated
from netgen.darknet.translation import Arrays, Stored, Value
from netgen.layers.base import text

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Translation

EPS = 0.0001  # AlexeyAB's src/blas.c, shortcut_multilayer_cpu


def earlier(t: Translation, section: Section, key: str, number: int) -> int:
    """The index of an earlier layer, negative numbers counted from this one; raises for what is none."""
    index = number if number >= 0 else t.index + number
    if 0 <= index < t.index:
        return index
    what = "itself" if index == t.index else f"layer {index}"
    if not t.index:
        raise section.error(f"{key}={number} is {what}, and the first layer can read none; put layers before it", key)
    span = f"0 to {t.index - 1}, or -{t.index} to -1"
    raise section.error(f"{key}={number} is {what}, and layer {t.index} can read {span}; name one of these", key)


def _sources(t: Translation, section: Section, key: str) -> list[Value]:
    numbers = section.integers(key)
    if not numbers:
        raise section.error(f"{key} is missing: it names the layers to read")
    return [t.values[earlier(t, section, key, number)] for number in numbers]


def route(t: Translation, section: Section, _before: Value) -> Value:
    """Concatenation; with AlexeyAB's groups one part of each input. A single input is that layer's blob itself."""
    sources = _sources(t, section, "layers")
    groups, part = section.integer("groups", 1, least=1), section.integer("group_id", 0, least=0)
    if groups > 1:
        sources = [_part(t, section, i, source, groups, part) for i, source in enumerate(sources)]
    if len(sources) == 1:
        return sources[0]
    outputs = sum(source.outputs for source in sources)
    shapes = [source.shape for source in sources]
    if any(shape is None or shapes[0] is None or shape[1:] != shapes[0][1:] for shape in shapes):
        t.note("layers of different sizes are joined as flat values, as Darknet does", "layers")
        return Value(t.add("Concat", _vectors(t, sources)), None, outputs, flat=True)
    channels, (_, height, width) = sum(shape[0] for shape in shapes if shape), shapes[0] or (0, 0, 0)
    if all(source.flat for source in sources):
        return Value(t.add("Concat", [source.blob for source in sources]), (channels, 1, 1), outputs, flat=True)
    return Value(t.add("Concat", [t.image(source) for source in sources]), (channels, height, width), outputs)


def _vectors(t: Translation, sources: Sequence[Value]) -> list[str]:
    flats: dict[str, str] = {}
    for source in sources:
        if source.blob not in flats:
            flats[source.blob] = source.blob if source.flat else t.add("Flatten", source.blob, f"flat{len(flats)}")
    return [flats[source.blob] for source in sources]


def _part(t: Translation, section: Section, number: int, source: Value, groups: int, part: int) -> Value:
    if part >= groups:
        raise section.error(f"group_id must lie in 0..{groups - 1}, got {part}", "group_id")
    if source.shape is None or source.shape[0] % groups:
        channels = "no" if source.shape is None else source.shape[0]
        raise section.error(f"groups must divide the channels, got {channels} channels, {groups=}", "groups")
    channels, height, width = source.shape
    step = channels // groups
    blob = t.cut(source.blob, f"part{number}_" if number else "part", 1, channels, part * step, (part + 1) * step)
    return Value(blob, (step, height, width), step * height * width, source.flat)


def shortcut(t: Translation, section: Section, before: Value) -> Value:
    """A sum with earlier layers, over the first channels where they have others; other sizes: see DarknetShortcut."""
    sources = _sources(t, section, "from")
    alpha, beta = section.number("alpha", 1.0), section.number("beta", 1.0)
    own = before.shape
    if own is None or any(source.shape is None for source in sources):
        raise section.error("adds images, and one of its layers gives values without sizes", "from")
    value = Value(t.image(before), own, before.outputs)
    blobs = [Value(t.image(source), source.shape, source.outputs) for source in sources]
    section.has("weights_normalization")
    if section.word("weights_type", "none") not in ("none", ""):
        value, *blobs = _weighted(t, section, [value, *blobs])
    shapes = {source.shape for source in blobs}
    if shapes == {own}:
        coeff = () if (alpha, beta) == (1, 1) else (alpha, *[beta] * len(blobs))
        summed = t.add("Eltwise", [value.blob, *(each.blob for each in blobs)], operation="SUM", coeff=coeff)
        return activated(t, section, value._replace(blob=summed), "linear")
    for i, source in enumerate(blobs):
        suffix = "" if i == len(blobs) - 1 else f"sum{i}"
        value = value._replace(blob=_added(t, section, value, source, (alpha, beta), suffix))
    return activated(t, section, value, "linear")


def _added(t: Translation, section: Section, own: Value, other: Value, factors: tuple[float, float], name: str) -> str:
    """The sum of two blobs, of which channels or sizes may differ."""
    assert own.shape is not None
    assert other.shape is not None
    (channels, *size), (others, *other_size) = own.shape, other.shape
    coeff = () if factors == (1, 1) else factors
    if size != other_size:
        step, _ = _ratio(section, own, other)
        if step == 1:
            given = {"alpha": factors[0], "beta": factors[1]} if coeff else {}
            return t.add(t.unusual("DarknetShortcut"), [own.blob, other.blob], name, **given)
        # Caffe's Pooling rounds up: Crop leaves what Darknet reads.
        sampled = t.add("Pooling", other.blob, f"{name}every", pool="MAX", kernel_size=1, stride=step)
        other = other._replace(blob=t.add("Crop", [sampled, own.blob], f"{name}sampled", axis=2, offset=(0,)))
    if others >= channels:
        part = t.cut(other.blob, f"{name}from", 1, others, 0, channels)
        return t.add("Eltwise", [own.blob, part], name, operation="SUM", coeff=coeff)
    first, rest = t.split(own.blob, f"{name}own", 1, [others])
    summed = t.add("Eltwise", [first, other.blob], f"{name}sum", operation="SUM", coeff=coeff)
    return t.add("Concat", [summed, rest], name)


def _ratio(section: Section, own: Value, other: Value) -> tuple[int, int]:
    """How far apart the values of the other are read, and how far apart they are written; one of them is 1."""
    assert own.shape is not None
    assert other.shape is not None
    (_, height, width), (_, other_height, other_width) = own.shape, other.shape
    step, spread = other_height // height, height // other_height
    if (step, spread) != (other_width // width, width // other_width):
        shapes = f"{text(own.shape)} and {text(other.shape)}"
        raise section.error(f"adds layers whose height and width are in one ratio, got {shapes}", "from")
    return max(step, 1), max(spread, 1)


def _weighted(t: Translation, section: Section, values: Sequence[Value]) -> list[Value]:
    """AlexeyAB's weighted shortcut: a Scale for each input, whose factors are normalized when they are read."""
    assert values[0].shape is not None
    kind, way = section.word("weights_type"), section.word("weights_normalization", "none")
    if kind not in ("per_feature", "per_layer", "per_channel"):
        raise section.error(f"weights_type must be per_feature, per_layer or per_channel, got {kind!r}", "weights_type")
    if way not in ("relu", "softmax", "avg_relu"):
        raise section.error(f"weights_type needs weights_normalization=relu or softmax, got {way!r}", "weights_type")
    if any(value.shape != values[0].shape for value in values):
        raise section.error("weights_type adds layers of one shape", "from")
    channels = values[0].shape[0] if kind == "per_channel" else 1
    fields = {} if kind == "per_channel" else {"num_axes": 0}
    names = [t.add("Scale", value.blob, f"weighted{i}", **fields) for i, value in enumerate(values)]

    def place(arrays: Arrays, _: bool) -> Arrays:
        weights = arrays["w"].reshape(len(names), channels)
        if way == "softmax":
            import numpy as np

            shares = np.exp(weights - weights.max(axis=0))
        else:
            shares = weights.clip(min=0)
        shares = shares / (shares.sum(axis=0) + weights.dtype.type(EPS))
        return {
            f"{name}:0": row if kind == "per_channel" else row.reshape(())
            for name, row in zip(names, shares, strict=True)
        }

    t.stored[t.index] = Stored((("w", len(names) * channels),), place)
    return [value._replace(blob=name) for value, name in zip(values, names, strict=True)]


def scale_channels(t: Translation, section: Section, before: Value) -> Value:
    """Each channel of an earlier layer times one of the values before, or with scale_wh each position."""
    (source,) = _one_source(t, section)
    if before.shape is None or source.shape is None:
        raise section.error("multiplies images, and one of its layers gives values without sizes", "from")
    (channels, height, width), whole = source.shape, t.image(source)
    if section.flag("scale_wh"):
        if before.shape != (1, height, width):
            raise section.error(f"scale_wh=1 reads 1x{height}x{width}, got {text(before.shape)}", "from")
        factors = t.add("Tile", t.image(before), "tiled", axis=1, tiles=channels)
        blob = t.add("Eltwise", [whole, factors], operation="PROD")
    else:
        if before.shape != (channels, 1, 1):
            raise section.error(f"reads {channels}x1x1 for its channels, got {text(before.shape)}", "from")
        blob = t.add("Scale", [whole, t.vector(before)], axis=0)
    return activated(t, section, source._replace(blob=blob, flat=False), "linear")


def sam(t: Translation, section: Section, before: Value) -> Value:
    """The product with an earlier layer of the same shape."""
    (source,) = _one_source(t, section)
    if before.shape is None or before.shape != source.shape:
        shapes = " and ".join("flat values" if each.shape is None else text(each.shape) for each in (before, source))
        raise section.error(f"multiplies layers of one shape, got {shapes}", "from")
    blob = t.add("Eltwise", [t.image(source), t.image(before)], operation="PROD")
    return activated(t, section, source._replace(blob=blob, flat=False), "linear")


def _one_source(t: Translation, section: Section) -> list[Value]:
    sources = _sources(t, section, "from")
    if len(sources) != 1:
        raise section.error(f"from names one layer, got {len(sources)}", "from")
    return sources
