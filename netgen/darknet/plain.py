"""Sections without a window: softmax, activation, l2norm, normalization, and those that pass on what they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.darknet.activations import activated, channels_reduced, product
from netgen.darknet.heads import tree_head
from netgen.darknet.translation import Value, image_of

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Translation


def softmax(t: Translation, section: Section, before: Value) -> Value:
    """Softmax of the flat values, in ``groups`` runs, divided by ``temperature`` first; a tree's is left out."""
    groups, temperature = section.integer("groups", 1, least=1), section.number("temperature", 1.0)
    if before.outputs % groups:
        raise section.error(f"groups must divide the values, got {before.outputs}, {groups=}", "groups")
    if temperature == 0:
        raise section.error("temperature must not be 0", "temperature")
    if section.has("tree"):
        return tree_head(t, section, before)
    section.has("spatial")
    blob = before.blob
    if not before.flat and (before.shape is None or before.shape[1:] != (1, 1)):
        blob, before = t.vector(before), before._replace(flat=True)
    if temperature != 1:
        blob = t.add("Power", blob, "divided", scale=1 / temperature)
    if groups == 1:
        return Value(t.add("Softmax", blob), None, before.outputs, before.flat)
    runs = t.reshape(blob, "runs", groups, before.outputs // groups)
    soft = t.add("Softmax", runs, "softmax", axis=2)
    return Value(t.reshape(soft, "", before.outputs), None, before.outputs, flat=True)


def activation(t: Translation, section: Section, before: Value) -> Value:
    """An activation on its own."""
    return activated(t, section, before, "linear")


def logistic(t: Translation, _: Section, before: Value) -> Value:
    """The sigmoid."""
    return before._replace(blob=t.add("Sigmoid", before.blob))


def l2norm(t: Translation, section: Section, before: Value) -> Value:
    """Divides by the root of the squares' sum over the channels (src/blas.c, l2normalize_cpu)."""
    shape, blob = image_of(section, before), t.image(before)
    squares = t.add("Power", blob, "squares", power=2)
    divisor = channels_reduced(t, squares, shape, "norm", "AVE", scale=shape[0], power=-0.5)
    return before._replace(blob=product(t, "", blob, divisor), flat=False)


def normalization(t: Translation, section: Section, before: Value) -> Value:
    """Local response normalization with Darknet's window: see DarknetLRN."""
    channels, _, _ = image_of(section, before)
    size = section.integer("size", 5, least=1)
    if size // 2 > channels:
        raise section.error(f"size must be {2 * channels + 1} at most for {channels} channels, got {size}", "size")
    alpha, beta, kappa = (section.number(*row) for row in (("alpha", 0.0001), ("beta", 0.75), ("kappa", 1.0)))
    blob = t.add(t.unusual("DarknetLRN"), t.image(before), local_size=size, alpha=alpha, beta=beta, k=kappa)
    return before._replace(blob=blob, flat=False)


def dropout(t: Translation, section: Section, before: Value) -> Value:
    """A Dropout, which does nothing in TEST."""
    probability = section.number("probability", 0.5)
    if not 0 <= probability < 1:
        raise section.error(f"probability must lie in 0..1, got {probability:g}", "probability")
    return before._replace(blob=t.add("Dropout", before.blob, dropout_ratio=probability))


def passed(_t: Translation, _section: Section, before: Value) -> Value:
    """What the section reads: cost is for training alone, and empty does nothing."""
    return before
