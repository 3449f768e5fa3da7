"""Darknet's activations in Caffe's layers (Darknet, src/activations.h; AlexeyAB's activations.c for the later ones)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netgen.darknet.translation import image_of
from netgen.errors import did_you_mean

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Image, Translation, Value

Activation = Callable[["Translation", str, str], str]
"""Adds the layers for a blob, whose names begin with the given word; returns the blob with the result."""


def activated(t: Translation, section: Section, value: Value, default: str) -> Value:
    """The value after the section's activation. One that Darknet does not know becomes relu, as there."""
    word = section.word("activation", default)
    if word not in ACTIVATIONS:
        near = did_you_mean(word, ACTIVATIONS)
        t.note(
            f"activation {word!r} is not known, and Darknet goes on with relu{near or '; name another'}", "activation"
        )
        word = "relu"
    if word.startswith("normalize"):
        shape = image_of(section, value)
        return value._replace(blob=_normalized(t, t.image(value), shape, word), flat=False)
    return value._replace(blob=ACTIVATIONS[word](t, value.blob, "act"))


def _linear(_t: Translation, blob: str, _name: str) -> str:
    return blob


def _plain(type: str, **fields: float) -> Activation:
    def activate(t: Translation, blob: str, name: str) -> str:
        return t.change(type, blob, name, **fields)

    return activate


def _loggy(t: Translation, blob: str, name: str) -> str:
    """2 / (1 + exp(-x)) - 1."""
    half = t.change("Sigmoid", blob, f"{name}/sigmoid")
    return t.add("Power", half, name, scale=2, shift=-1)


def _selu(t: Translation, blob: str, name: str) -> str:
    """1.0507 (x where positive, else 1.6732 (exp(x) - 1))."""
    return t.add("Power", t.change("ELU", blob, f"{name}/elu", alpha=1.6732), name, scale=1.0507)


def _ramp(t: Translation, blob: str, name: str) -> str:
    """The sum max(x, 0) + 0.1 x."""
    return _sum(t, name, (t.add("ReLU", blob, f"{name}/relu"), 1), (blob, 0.1))


def _lhtan(t: Translation, blob: str, name: str) -> str:
    """The sum c + 0.001 (x - c) with c = x held between 0 and 1."""
    return _sum(t, name, (t.add("Clip", blob, f"{name}/clip", min=0, max=1), 0.999), (blob, 0.001))


def _plse(t: Translation, blob: str, name: str) -> str:
    """The sum c / 8 + 1/2 + 0.01 (x - c) with c = x held between -4 and 4."""
    clip = t.add("Clip", blob, f"{name}/clip", min=-4, max=4)
    return t.add("Power", _sum(t, f"{name}/sum", (clip, 0.115), (blob, 0.01)), name, shift=0.5)


def _gelu(t: Translation, blob: str, name: str) -> str:
    """Half of x (1 + tanh(0.797885 x + 0.035677 x^3))."""
    cube = t.add("Power", blob, f"{name}/cube", power=3)
    tanh = t.change("TanH", _sum(t, f"{name}/sum", (blob, 0.797885), (cube, 0.035677)), f"{name}/tanh")
    return product(t, name, blob, t.add("Power", tanh, f"{name}/half", scale=0.5, shift=0.5))


def _mish(t: Translation, blob: str, name: str) -> str:
    """The product x tanh(log(1 + exp(x)))."""
    if t.forks:
        return t.change(t.unusual("Mish"), blob, name)
    return product(t, name, blob, t.change("TanH", t.add("BNLL", blob, f"{name}/bnll"), f"{name}/tanh"))


def _hard_mish(t: Translation, blob: str, name: str) -> str:
    """The sum max(x, 0) + c (c / 2 + 1) with c = x held between -2 and 0."""
    clip = t.add("Clip", blob, f"{name}/clip", min=-2, max=0)
    below = product(t, f"{name}/below", clip, t.add("Power", clip, f"{name}/line", scale=0.5, shift=1))
    return _sum(t, name, (t.add("ReLU", blob, f"{name}/relu"), 1), (below, 1))


def _relu6(t: Translation, blob: str, name: str) -> str:
    """min(max(x, 0), 6); AlexeyAB's CPU code gives 0 in its stead, his GPU code this."""
    if t.forks:
        return t.change(t.unusual("ReLU6"), blob, name)
    return t.change("Clip", blob, name, min=0, max=6)


def _stair(t: Translation, blob: str, name: str) -> str:
    return t.change(t.unusual("DarknetStair"), blob, name)


def _normalized(t: Translation, blob: str, shape: Image, name: str) -> str:
    """A share of the channels' sum: the values by max(x, 0) or exp(x), the sum and 1e-4 more.

    With maxval exp(x - m) for both, where m is the largest x; that is s / (1 + 1e-4 max s) of the softmax s.
    """
    if name == "normalize_channels_softmax_maxval":
        values = t.add("Softmax", blob, f"{name}/softmax")
        divisor = channels_reduced(t, values, shape, f"{name}/max", "MAX", scale=1e-4, shift=1, power=-1)
    else:
        exp = name == "normalize_channels_softmax"
        values = t.add("Exp", blob, f"{name}/exp") if exp else t.change("ReLU", blob, f"{name}/relu")
        divisor = channels_reduced(t, values, shape, f"{name}/sum", "AVE", scale=shape[0], shift=1e-4, power=-1)
    return product(t, name, values, divisor)


def _is_normalized(_t: Translation, _blob: str, name: str) -> str:
    raise AssertionError(f"{name} needs the value's shape")


def channels_reduced(t: Translation, blob: str, shape: Image, name: str, pool: str, **power: float) -> str:
    """The maximum or mean over the channels, through a Power layer, repeated for each channel.

    Pooling takes the channels for rows of an image that has the positions as columns.
    """
    channels, height, width = shape
    rows = t.reshape(blob, f"{name}/rows", 1, channels, height * width)
    pooled = t.add("Pooling", rows, f"{name}/pool", pool=pool, kernel_h=channels, kernel_w=1)
    changed = t.add("Power", pooled, f"{name}/power", **power)
    return t.add("Tile", t.reshape(changed, f"{name}/image", 1, height, width), name, axis=1, tiles=channels)


def _sum(t: Translation, name: str, *terms: tuple[str, float]) -> str:
    coefficients = [coefficient for _, coefficient in terms]
    plain = all(each == 1 for each in coefficients)
    coeff = () if plain else tuple(coefficients)
    return t.add("Eltwise", [blob for blob, _ in terms], name, operation="SUM", coeff=coeff)


def product(t: Translation, name: str, *blobs: str) -> str:
    """The product of blobs, value by value."""
    return t.add("Eltwise", blobs, name, operation="PROD")


ACTIVATIONS: dict[str, Activation] = {
    "linear": _linear,
    "logistic": _plain("Sigmoid"),
    "loggy": _loggy,
    "relu": _plain("ReLU"),
    "relu6": _relu6,
    "elu": _plain("ELU"),
    "selu": _selu,
    "relie": _plain("ReLU", negative_slope=0.01),
    "ramp": _ramp,
    "leaky": _plain("ReLU", negative_slope=0.1),
    "revleaky": _plain("ReLU", negative_slope=0.1),
    "tanh": _plain("TanH"),
    "plse": _plse,
    "stair": _stair,
    "hardtan": _plain("Clip", min=-1, max=1),
    "lhtan": _lhtan,
    "gelu": _gelu,
    "swish": _plain("Swish"),
    "mish": _mish,
    "hard_mish": _hard_mish,
    "normalize_channels": _is_normalized,
    "normalize_channels_softmax": _is_normalized,
    "normalize_channels_softmax_maxval": _is_normalized,
}
