"""Sections with weights: convolutional, connected, local, batchnorm (src/parser.c, parse_convolutional and so on)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.darknet.activations import activated
from netgen.darknet.joins import earlier
from netgen.darknet.translation import Arrays, Place, Stored, Value, image_of
from netgen.layers.base import text, truncated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Translation


FILLER = {"type": "msra"}
"""What Darknet begins training with: a deviation of sqrt(2 / inputs) (src/convolutional_layer.c)."""
BLURS = {1: (3, 1, (0.25, 0.5, 0.25)), 2: (2, 0, (0.5, 0.5))}
"""Of AlexeyAB's antialiasing the filter's size, pad, and line, whose product with itself the filter is."""


def strides(section: Section, default: int = 1) -> tuple[int, int]:
    """The stride down and to the right (AlexeyAB's stride_y and stride_x)."""
    both = section.integer("stride", default, least=1)
    return section.integer("stride_y", both, least=1), section.integer("stride_x", both, least=1)


def windows(section: Section, sides: Sequence[int], padding: int, size: int, steps: Sequence[int]) -> tuple[int, int]:
    """How many windows there are down and to the right; ``padding`` is that of both sides together."""
    rows, columns = (truncated(side + padding - size, step) + 1 for side, step in zip(sides, steps, strict=True))
    if rows < 1 or columns < 1:
        raise section.error(
            f"has a window of {size} and padding of {padding}, larger than the {text(tuple(sides))} it reads"
        )
    return rows, columns


def convolutional(t: Translation, section: Section, before: Value) -> Value:
    """A convolution, batch norm, activation; AlexeyAB's dilation, share_index and antialiasing.

    ``pad=1`` pads by size/2 and goes before ``padding``. binary and xnor become what they compute: weights of one size
    per filter, and for xnor inputs of +-1.
    """
    channels, height, width = image_of(section, before)
    filters, size = section.integer("filters", 1, least=1), section.integer("size", 1, least=1)
    groups, down, right = section.integer("groups", 1, least=1), *strides(section)
    if channels % groups or filters % groups:
        raise section.error(
            f"groups must divide the channels and filters, got {channels}, {filters}, {groups=}", "groups"
        )
    pad = section.integer("padding", 0, least=0)
    pad = size // 2 if section.flag("pad") else pad
    dilation = section.integer("dilation", 1, least=1)
    dilation = dilation if size > 1 else 1
    blurred = section.integer("antialiasing", 0)
    steps = (1, 1) if blurred > 0 else (down, right)
    shape = (filters, *windows(section, (height, width), 2 * pad, size, steps))
    _check_dilation(section, dilation, size, pad, (height, width), steps)
    norm = section.flag("batch_normalize")
    blob = _signs(t, t.image(before)) if section.flag("xnor") else t.image(before)
    blob = t.add(
        "Convolution", blob, num_output=filters, kernel_size=size, group=groups if groups > 1 else (),
        pad=pad * dilation or (), dilation=dilation if dilation > 1 else (), bias_term=() if not norm else False,
        weight_filler=FILLER, param=t.param("conv", 1 if norm else 2), **_stride(*steps),
    )  # fmt: skip
    per_filter = channels // groups * size * size
    binary = section.flag("binary") or section.flag("xnor")
    place = _convolution_place(blob, (filters, channels // groups, size, size), binary, section.flag("flipped"))
    t.stored[t.index] = _stored(t, section, blob, filters, filters * per_filter, norm, place)
    value = activated(t, section, Value(blob, shape, filters * shape[1] * shape[2]), "logistic")
    return blur(t, section, value, blurred, (down, right)) if blurred > 0 else value


def _stored(
    t: Translation, section: Section, blob: str, filters: int, weights: int, norm: bool, weight: Place
) -> Stored:
    """The runs of a convolution, or the layer that it shares them with."""
    runs = (("b", filters), *((("s", filters), ("m", filters), ("v", filters)) if norm else ()), ("w", weights))
    rest = t.batch_norm(blob)[1] if norm else _bias_place(blob)

    def place(arrays: Arrays, transposed: bool) -> Arrays:
        return {**weight(arrays, transposed), **rest(arrays, transposed)}

    if not section.has("share_index"):
        return Stored(runs, place)
    index = earlier(t, section, "share_index", section.integer("share_index", 0))
    other = t.stored.get(index)
    if other is None or dict(other.runs) != dict(runs):
        raise section.error(
            f"share_index must name a convolution with the same weights, and {index} is none", "share_index"
        )
    return Stored(runs, place, index if other.shares is None else other.shares)


def _bias_place(blob: str) -> Place:
    return lambda arrays, _: {f"{blob}:1": arrays["b"]}


def _convolution_place(blob: str, shape: tuple[int, ...], binary: bool, flipped: bool) -> Place:
    def place(arrays: Arrays, _: bool) -> Arrays:
        weights = arrays["w"].reshape(shape)
        if flipped:
            weights = arrays["w"].reshape(-1, shape[0]).T.copy().reshape(shape)
        if binary:
            sizes = abs(weights).mean(axis=(1, 2, 3), keepdims=True)
            weights = ((weights > 0) * 2 - 1).astype(weights.dtype) * sizes
        return {f"{blob}:0": weights}

    return place


def _stride(down: int, right: int) -> dict[str, Any]:
    if down == right:
        return {"stride": down} if down > 1 else {}
    return {"stride_h": down, "stride_w": right}


def _signs(t: Translation, blob: str) -> str:
    """1 where positive, else -1 (src/blas.c, binarize_cpu)."""
    t.note("xnor=1 reads signs alone: they come through Threshold and Power")
    return t.add("Power", t.add("Threshold", blob, "sign/above"), "sign", scale=2, shift=-1)


def _check_dilation(
    section: Section, dilation: int, size: int, pad: int, sides: tuple[int, int], steps: tuple[int, int]
) -> None:
    """AlexeyAB takes the output's size as without dilation, which is right only where both are one."""
    reach = dilation * (size - 1) + 1
    for side, step in zip(sides, steps, strict=True):
        if truncated(side + 2 * pad * dilation - reach, step) != truncated(side + 2 * pad - size, step):
            raise section.error(
                f"dilation={dilation} reads beyond the image in Darknet, which sizes it as without; use an odd size "
                "with pad=1", "dilation",
            )  # fmt: skip


def blur(t: Translation, section: Section, value: Value, kind: int, steps: tuple[int, int]) -> Value:
    """AlexeyAB's antialiasing: a fixed filter of 3x3, or 2x2 for 2, on each channel, with the stride."""
    assert value.shape is not None
    channels, height, width = value.shape
    size, pad, line = BLURS[2 if kind == 2 else 1]
    shape = (channels, *windows(section, (height, width), 2 * pad, size, steps))
    blob = t.add(
        "Convolution", value.blob, "blur", num_output=channels, kernel_size=size, pad=pad or (), group=channels,
        bias_term=False, **_stride(*steps),
    )  # fmt: skip
    t.fixed[f"{blob}:0"] = ((channels, 1, size, size), [a * b for a in line for b in line])
    t.note("antialiasing is a Convolution with fixed weights, which a prototxt cannot hold: they come with the weights")
    return Value(blob, shape, channels * shape[1] * shape[2])


def connected(t: Translation, section: Section, before: Value) -> Value:
    """An inner product, batch norm, activation; the weights come before the batch norm's arrays in the file."""
    output, inputs = section.integer("output", 1, least=1), before.outputs
    norm = section.flag("batch_normalize")
    blob = t.add(
        "InnerProduct", before.blob, num_output=output, bias_term=() if not norm else False, weight_filler=FILLER
    )
    runs = (("b", output), ("w", output * inputs), *((("s", output), ("m", output), ("v", output)) if norm else ()))
    rest = t.batch_norm(blob)[1] if norm else _bias_place(blob)

    def place(arrays: Arrays, transposed: bool) -> Arrays:
        weights = arrays["w"].reshape(inputs, output).T.copy() if transposed else arrays["w"].reshape(output, inputs)
        return {f"{blob}:0": weights, **rest(arrays, transposed)}

    t.stored[t.index] = Stored(runs, place)
    return activated(t, section, Value(blob, (output, 1, 1), output, flat=True), "logistic")


def local(t: Translation, section: Section, before: Value) -> Value:
    """A convolution with filters of its own at each place; ``pad`` is taken as it stands."""
    channels, height, width = image_of(section, before)
    filters, size = section.integer("filters", 1, least=1), section.integer("size", 1, least=1)
    stride, pad = section.integer("stride", 1, least=1), section.integer("pad", 0, least=0)
    if min(height, width) < size:
        raise section.error(f"has filters of {size}x{size}, larger than the {height}x{width} it reads", "size")
    # Darknet counts the places as with a pad of (size - 1)/2, and reads with the pad that is given.
    shape = (filters, *windows(section, (height, width), 0, 1 if pad else size, (stride, stride)))
    if windows(section, (height, width), 2 * pad, size, (stride, stride)) != shape[1:]:
        raise section.error(
            f"{size=} with {pad=} reads beyond its columns in Darknet; use pad=(size - 1)/2 or 0", "pad"
        )
    places, per_place = shape[1] * shape[2], channels * size * size
    blob = t.add(
        t.unusual("Local"),
        t.image(before),
        num_output=filters,
        kernel_size=size,
        pad=pad or (),
        stride=stride if stride > 1 else (),
    )

    def place(arrays: Arrays, _: bool) -> Arrays:
        weights = arrays["w"].reshape(places, filters, per_place).transpose(1, 2, 0).copy()
        return {
            f"{blob}:0": weights.reshape(filters, 1, per_place, places),
            f"{blob}:1": arrays["b"].reshape(1, 1, filters, places),
        }

    t.stored[t.index] = Stored((("b", filters * places), ("w", places * filters * per_place)), place)
    return activated(t, section, Value(blob, shape, filters * places), "logistic")


def batchnorm(t: Translation, section: Section, before: Value) -> Value:
    """Batch norm and scale on their own; pjreddie's files hold no biases of it."""
    channels, _, _ = image_of(section, before)
    section.has("activation")
    blob, place = t.batch_norm(t.image(before))
    t.stored[t.index] = Stored((("b", channels), ("s", channels), ("m", channels), ("v", channels)), place)
    return before._replace(blob=blob, flat=False)
