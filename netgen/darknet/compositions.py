"""Sections that are several layers in Caffe: where one may begin, which one it would be, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from math import isclose, isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.darknet.activations import ACTIVATIONS
from netgen.darknet.cuts import pooling_section
from netgen.darknet.outgoing import Export, Signs, Window
from netgen.darknet.patterns import Found, Pattern, found_at, pattern_by, pattern_of
from netgen.darknet.sections import activate
from netgen.darknet.shares import weights_of

if TYPE_CHECKING:
    from netgen.builder import Net
    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer

_NEAR = 8
"""So many layers at a place tell which section it may be."""
_TAKES_ACTIVATION = ("shortcut", "scale_channels")
_WITHOUT_SIZES = ("softmax", "extra")


class Candidate(NamedTuple):
    """A section that may stand for the layers of now, and the shapes of the blobs that it would read."""

    kind: str
    options: dict[str, Any]
    shapes: tuple[Shape, ...]
    pattern: Pattern | None = None


Run = Sequence["ShapedLayer"]


def composed(export: Export, layers: Run, start: int) -> int:
    """Write the section that the layers from ``start`` on are in Darknet; returns how many layers, 0 for none."""
    first, run = layers[start], layers[start : start + _NEAR]
    waiting = [export.later.get(blob) for blob in first.layer.bottoms]
    if any(isinstance(each, Signs) for each in waiting):
        return 0
    for candidate in _candidates(run):
        if any(len(shape) not in (2, 4) for shape in candidate.shapes):
            continue
        pattern = candidate.pattern or pattern_of(candidate.kind, candidate.options, candidate.shapes)
        found = found_at(pattern, layers, start, export.readers) if pattern and pattern.layers else None
        if found is not None and any(isinstance(each, Window) and _is_of(export, candidate, each) for each in waiting):
            return 0
        if found is not None:
            _write(export, candidate, found)
            return len(found.layers)
    return 0


def _is_of(export: Export, candidate: Candidate, window: Window) -> bool:
    """Whether what a crop cuts off is what makes a Pooling Darknet's."""
    if candidate.kind != "crop" or "noadjust" not in candidate.options:
        return False
    rows, columns = candidate.options["crop_height"], candidate.options["crop_width"]
    top, left = ((side - cut) // 2 for side, cut in zip(window.outs, (rows, columns), strict=True))
    first = (window.first[0] + top, window.first[1] + left)
    return pooling_section(export, window._replace(first=first, outs=(rows, columns))) is not None


def _candidates(run: Run) -> Iterator[Candidate]:
    kind = run[0].layer.type
    for name in _activations().get(kind, ()):
        yield Candidate("activation", {"activation": name}, run[0].bottoms[:1])
    if kind in _BEGINNINGS:
        yield from _BEGINNINGS[kind](run)


@cache
def _activations() -> Mapping[str, Sequence[str]]:
    """By the type of their first layer the activations that are several."""
    begun: dict[str, list[str]] = {}
    for name in ACTIVATIONS:
        pattern = pattern_of("activation", {"activation": name}, ((1, 2, 3, 3),))
        if pattern is not None and len(pattern.layers) > 1:
            begun.setdefault(pattern.layers[0].layer.type, []).append(name)
    return begun


def _write(export: Export, candidate: Candidate, found: Found) -> None:
    kind, options = candidate.kind, dict(candidate.options)
    *others, own = found.inputs
    if kind == "activation":
        activate(export, options["activation"], own, found.output, found.reads[0])
        return
    sources = [export.index(blob) for blob in others]
    bare = not {kind, *options}.isdisjoint(_WITHOUT_SIZES)
    export.read(own, flat=bare)
    section = export.add(kind, found.output, "activation" if kind in _TAKES_ACTIVATION else "")
    section.options = options
    if others:
        options |= {"from": sources, "activation": "linear"}
    if bare:
        export.sizes[-1] = None
    if "weights_type" in options:
        section.runs["w"] = weights_of(export, found.layers[: len(found.inputs)])


# Which section may begin with a layer of a type


def _of_slice(run: Run) -> Iterator[Candidate]:
    """Channels: a shortcut of layers with more or fewer, the maximum over depth, a reorg back. Else a crop."""
    (shape,), parts = run[0].bottoms, run[0].tops
    if len(shape) != 4 or parts[0][1] == shape[1]:
        yield from _of_crop(run)
        return
    part, step = parts[0], isqrt(len(parts))
    shortcut = {"from": [0], **_factors(run)}
    yield Candidate("shortcut", shortcut, (part, shape))
    yield Candidate("shortcut", shortcut, (shape, part))
    yield Candidate("maxpool", {"maxpool_depth": 1, "out_channels": part[1]}, (shape,))
    if step > 1:
        yield Candidate("reorg", {"stride": step, "reverse": 1}, (shape,))


def _of_crop(run: Run) -> Iterator[Candidate]:
    shape = run[0].bottoms[0]
    sizes = [shape]
    for shaped in run:
        if len(shape) != 4 or shaped.layer.type not in ("Slice", "Silence"):
            break
        if shaped.tops:
            sizes.append(shaped.tops[len(shaped.tops) == 3])
    for size in reversed(sizes if len(shape) == 4 else ()):
        cut = {"crop_height": size[2], "crop_width": size[3]}
        yield Candidate("crop", cut, (shape,))
        yield Candidate("crop", {**cut, "noadjust": 1}, (shape,))


def _of_power(run: Run) -> Iterator[Candidate]:
    fields, shape = run[0].kind.fields, run[0].bottoms[0]
    if fields["power"] == 2:
        yield Candidate("l2norm", {}, (shape,))
    yield from _of_crop(run)
    if fields["scale"]:
        inverse = 1 / fields["scale"]
        short = float(f"{inverse:.6g}")
        temperature = short if isclose(short, inverse, rel_tol=1e-7) else inverse
        yield from (each._replace(options={**each.options, "temperature": temperature}) for each in _of_softmax(run))


def _of_softmax(run: Run) -> Iterator[Candidate]:
    """A softmax in groups or, behind a division, in one."""
    runs = next((each.tops[0] for each in run[:2] if each.tops and len(each.tops[0]) == 3), (1, 1))
    yield Candidate("softmax", {"groups": runs[1] if len(runs) == 3 else 1}, run[0].bottoms)


def _of_reshape(run: Run) -> Iterator[Candidate]:
    (shape,), (top,) = run[0].bottoms, run[0].tops
    behind = run[1].layer.type if len(run) > 1 else ""
    if len(shape) == 4 and len(top) == 6 and shape[1] % 4 == shape[2] % 2 == shape[3] % 2 == 0:
        yield Candidate("reorg", {"stride": 2}, (shape,), pattern_by(_permuted, shape))
    if len(shape) == len(top) == 4 and behind == "Im2col":
        yield Candidate("reorg", {"stride": top[2] // shape[2]}, (shape,))
    if len(shape) == len(top) == 4 and behind == "Permute" and len(run) > 2 and len(run[2].tops[0]) == 4:
        yield Candidate("reorg", {"stride": run[2].tops[0][2] // shape[2], "reverse": 1, "flatten": 1}, (shape,))
    if behind == "Softmax":
        yield from _of_softmax(run)


def _permuted(net: Net, shape: Shape) -> object:
    from netgen.blocks import darknet_reorg

    return darknet_reorg(net, shape[1], (shape[2], shape[3]), reorg="Permute")


def _of_permute(run: Run) -> Iterator[Candidate]:
    (shape,) = run[0].bottoms
    if len(run) > 1 and run[1].tops and len(run[1].tops[0]) == len(shape) == 4:
        yield Candidate("reorg", {"stride": shape[2] // run[1].tops[0][2], "flatten": 1}, (shape,))


def _of_im2col(run: Run) -> Iterator[Candidate]:
    if "kernel_size" in run[0].kind.given:
        yield Candidate("reorg3d", {"stride": run[0].kind.given["kernel_size"][0]}, run[0].bottoms)


def _of_zeros(run: Run) -> Iterator[Candidate]:
    if len(run) > 1 and run[1].bottoms and len(run[0].tops[0]) == 2:
        yield Candidate("reorg", {"stride": 1, "extra": run[0].tops[0][1]}, run[1].bottoms[:1])


def _of_scale(run: Run) -> Iterator[Candidate]:
    """A shortcut whose inputs have a factor each, or one for each channel."""
    number = next((i for i, shaped in enumerate(run) if shaped.layer.type != run[0].layer.type), 0)
    if number > 1 and len(run[number].bottoms) == number:
        kind = "per_feature" if run[0].kind.fields["num_axes"] == 0 else "per_channel"
        options = {"from": list(range(number - 1)), "weights_type": kind, "weights_normalization": "relu"}
        yield Candidate("shortcut", {**options, **_factors(run)}, (run[0].bottoms[0],) * number)


def _of_pooling(run: Run) -> Iterator[Candidate]:
    """A shortcut of a larger layer."""
    if len(run) > 2 and len(run[1].bottoms) == 2:
        yield Candidate("shortcut", {"from": [0], **_factors(run)}, (run[0].bottoms[0], run[1].bottoms[1]))


def _of_tile(run: Run) -> Iterator[Candidate]:
    yield Candidate("scale_channels", {"from": [0], "scale_wh": 1}, (run[0].tops[0], run[0].bottoms[0]))


def _factors(run: Run) -> dict[str, float]:
    """Alpha and beta of the sum that is near."""
    coeff = next((shaped.kind.fields["coeff"] for shaped in run if "coeff" in shaped.kind.fields), ())
    return {key: float(value) for key, value in zip(("alpha", "beta"), coeff, strict=False) if value != 1}


_BEGINNINGS: dict[str, Callable[[Run], Iterator[Candidate]]] = {
    "Slice": _of_slice,
    "Power": _of_power,
    "Reshape": _of_reshape,
    "Permute": _of_permute,
    "Im2col": _of_im2col,
    "DummyData": _of_zeros,
    "Scale": _of_scale,
    "Pooling": _of_pooling,
    "Tile": _of_tile,
}

PARTS = {
    "BNLL": "mish, x tanh(BNLL(x))",
    "Exp": "the activation normalize_channels_softmax",
    "DummyData": "reorg with extra",
    "Im2col": "reorg and reorg3d",
    "Permute": "reorg",
    "Tile": "scale_channels, l2norm and the normalize_channels activations",
}
"""Types that are no section of their own, and what they are a part of, in the layers that an import writes."""
