"""Shapes of every blob and weight, as Caffe infers them when it loads a net (net.cpp, Net::Init). Knows no cost."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.fields import shown
from netgen.graph import EMPTY, Graph, Layer
from netgen.kinds import KINDS, ShapedKind
from netgen.layers import find
from netgen.layers.base import LayerType, Shape, check_size, text
from netgen.layers.fillers import check_filler
from netgen.sharing import Owner, check_shared
from netgen.unknown import refuse_unknown_fields, unknown_type
from netgen.wiring import State, Wiring


class ShapedLayer:
    """One layer of a phase with the shapes around it."""

    __slots__ = ("layer", "shared")

    def __init__(self, layer: Layer, shared: ShapedKind) -> None:
        self.layer = layer
        self.shared = shared
        """What it has in common with all layers that are equal but for their names."""

    @property
    def kind(self) -> LayerType:
        """What answers for the layer, and for those that are equal but for their names."""
        return self.shared.kind

    @property
    def bottoms(self) -> tuple[Shape, ...]:
        """The shapes of the bottoms."""
        return self.shared.bottoms

    @property
    def tops(self) -> tuple[Shape, ...]:
        """The shapes of the tops."""
        return self.shared.tops

    @property
    def weights(self) -> tuple[Shape, ...]:
        """The shapes of the weights."""
        return self.shared.weights


def infer_shapes(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> dict[str, Shape]:
    """The shape of every blob of a phase, by name, in the order in which the blobs are first made.

    ``inputs`` gives inputs another shape, or data layers one where the file does not say it. A blob that is changed in
    place has the shape that the last layer leaves. Raises NetgenError naming the layer that Caffe would refuse.

    >>> import netgen
    >>> infer_shapes(netgen.Net().input(1, 3, 224, 224).conv(8, 3, stride=2, name="c").pool(3, 2, name="p"))
    {'data': (1, 3, 224, 224), 'c': (1, 8, 112, 112), 'p': (1, 8, 56, 56)}
    """
    state = State(phase, level, stages)
    blobs = dict(input_shapes(net, given_shapes(net, state, inputs)))
    for shaped in shape_layers(net, state, inputs):
        blobs.update(zip(shaped.layer.tops, shaped.tops, strict=True))
    return blobs


def shape_layers(net: Graph, state: State, inputs: Mapping[str, Sequence[int]] | None = None) -> list[ShapedLayer]:
    """The layers of one state of a net, as a list: see ``walk_layers``."""
    return list(walk_layers(net, state, inputs))


def walk_layers(net: Graph, state: State, inputs: Mapping[str, Sequence[int]] | None = None) -> Iterator[ShapedLayer]:
    """The layers of one state of a net, in order, each with the shapes of its bottoms, tops and weights.

    Raises NetgenError naming the layer that Caffe would refuse, one of an unknown type, or one whose unknown fields
    could change its shapes.
    """
    given = given_shapes(net, state, inputs)
    blobs = input_shapes(net, given)
    wiring = None if net.wired else Wiring(blobs)
    shared: dict[str, Owner] = {}
    for layer in net.layers:
        try:
            if wiring is not None:
                if not state.has(layer):
                    continue
                wiring.take(layer)
            shaped = _shape_again(layer, state.phase, blobs, given)
            if shaped.shared.kind.names_weights:
                check_shared(layer, shaped.weights, shared)
        except NetgenError as error:
            raise NetgenError(f"{layer}: {error}{_why_missing(net, layer, state, blobs)}") from None
        tops = shaped.shared.tops
        for i, name in enumerate(layer.tops):
            blobs[name] = tops[i]
        yield shaped
    unused = given.keys() - blobs.keys()
    if unused:
        name = min(unused)
        raise NetgenError(f"input {name!r}: the net has no such blob{did_you_mean(name, blobs)}")


def given_shapes(net: Graph, state: State, inputs: Mapping[str, Sequence[int]] | None) -> dict[str, Shape]:
    """The shapes that are given for inputs; raises UsageError for what is no net, phase or shape."""
    if not isinstance(net, Graph):
        raise UsageError(f"give a net (netgen.load reads one from a file), got {shown(net)}")
    if state.phase not in ("TRAIN", "TEST"):
        raise UsageError(f"phase must be TRAIN or TEST, got {shown(state.phase)}")
    given = {}
    anything: Any = inputs or {}
    if not isinstance(anything, Mapping):
        raise UsageError(f"inputs must be a dict of shapes by blob name, got {shown(inputs)}")
    for name, shape in anything.items():
        if not isinstance(name, str):
            raise UsageError(f"inputs must be a dict of shapes by blob name, got the name {shown(name)}")
        dims = list(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else None
        if dims is None or not all(hasattr(dim, "__index__") for dim in dims):
            raise UsageError(f"input {name!r}: the shape must be a list of whole numbers, got {shown(shape)}")
        given[name] = tuple([operator.index(dim) for dim in dims])
    return given


def input_shapes(net: Graph, given: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    """The shapes of the blobs in a net's ``input:`` fields (upgrade_proto.cpp, UpgradeNetInput).

    Where the file says the shape of none of them, they stand for nothing, and a layer may make blobs of their names.
    """
    names, shapes, dims = net.inputs, net.params.get("input_shape", ()), net.params.get("input_dim", ())
    if not shapes and not dims:
        made = {top for layer in net.layers for top in layer.tops} if names else ()
        names = tuple(name for name in names if name in given and name not in made)
    blobs: dict[str, Shape] = {}
    for i, name in enumerate(names):
        if name in given:
            blobs[name] = tuple(given[name])
        elif shapes and i < len(shapes):
            blobs[name] = tuple(shapes[i].get("dim", ()))
        elif not shapes and len(dims) >= 4 * (i + 1):
            blobs[name] = tuple(dims[4 * i : 4 * i + 4])
        else:
            raise NetgenError(
                f"input {name!r}: there must be an input_shape for each input, or four input_dim, got "
                f"{len(shapes)} input_shape and {len(dims)} input_dim for {len(names)} inputs"
            )
        check_size(blobs[name], f"input {name!r}: ")
    return blobs


def _why_missing(net: Graph, layer: Layer, state: State, blobs: Mapping[str, Shape]) -> str:
    """Why a bottom is not there although the file has its name."""
    for name in layer.bottoms:
        if name in blobs:
            continue
        if name in net.inputs:
            return f" (no input_shape or input_dim says the shape of the input {name!r})"
        makers = [each for each in net.layers if name in each.tops and each is not layer]
        if any(state.has(each) for each in makers):
            return f"; layer {makers[0].name!r} makes it later: the order is wrong, or the layers form a cycle"
        if makers:
            other = "TRAIN" if state.phase == "TEST" else "TEST"
            there = State(other, state.level, state.stages).has(makers[0])
            return f"; layer {makers[0].name!r} makes it, and is not in {state}" + (
                f" but in phase {other}" if there else ""
            )
    return ""


def _shape_again(layer: Layer, phase: str, blobs: Mapping[str, Shape], given: Mapping[str, Shape]) -> ShapedLayer:
    """The same as ``_shape``, which is asked once about layers that are equal but for their names."""
    names, tops = layer.bottoms, layer.tops
    if not names:
        return ShapedLayer(layer, _shape(layer, _kind(layer, phase, given), (), given))
    bottoms = (blobs[names[0]],) if len(names) == 1 else tuple([blobs[name] for name in names])
    in_place = tops[0] in names if len(tops) == 1 else tuple([name in names for name in tops])
    key = (layer.type, layer.params, len(names), in_place, phase)
    known = KINDS.get(key)
    kind, found = known or (_kind(layer, phase, given), {})
    shared = found.get(bottoms)
    if shared is None:
        if known and not kind.ours:
            kind = _kind(layer, phase, given)  # a user's own may keep to itself what it saw in shapes()
        shared = _shape(layer, kind, bottoms, given)
        if not kind.opaque:
            KINDS.keep(key, found, shared)
    elif given:
        _check_given(layer, shared.tops, given)
    return ShapedLayer(layer, shared)


def _shape(layer: Layer, kind: LayerType, bottoms: tuple[Shape, ...], given: Mapping[str, Shape]) -> ShapedKind:
    if kind.opaque:
        tops = tuple(kind.source_shapes([given.get(name) for name in layer.tops]))
    else:
        tops = _own_shapes(layer, kind, bottoms)
        if given:
            _check_given(layer, tops, given)
    for name, shape in zip(layer.tops, tops, strict=True):
        if shape not in bottoms:  # which were tops or inputs, and are checked
            check_size(shape, f"top {name!r} ")
    return ShapedKind(kind, bottoms, tops, _weights(layer, kind, bottoms))


def _weights(layer: Layer, kind: LayerType, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes of the layer's weights, which can be filled and have a param at most each."""
    weights = tuple(kind.weight_shapes(bottoms))
    if weights:
        for shape in weights:
            check_size(shape, "a weight ")
        for name, shape in zip(kind.fillers(), weights, strict=False):
            check_filler(kind.given.get(name, EMPTY), shape, name)
    if "param" in layer.params and len(layer.params["param"]) > len(weights) and kind.counted:
        raise NetgenError(f"param may be given once for each weight ({len(weights)}), got {len(layer.params['param'])}")
    return weights


def _own_shapes(layer: Layer, kind: LayerType, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes that the type computes, those of tops that the layer does not name left out."""
    if not kind.ours:
        return _checked_shapes(layer, kind, bottoms)
    tops = tuple(kind.shapes(bottoms))
    return tops if len(tops) == len(layer.tops) else tops[: len(layer.tops)]


def _checked_shapes(layer: Layer, kind: LayerType, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The same of a type of a user's own, whose mistakes are said as mistakes of the type."""
    try:
        tops = kind.shapes(bottoms)
    except NetgenError:
        raise
    except NotImplementedError:
        raise NetgenError("its type has no shapes(): write one that returns the list of the tops' shapes") from None
    except Exception as error:
        raise NetgenError(f"shapes() of its type raised {type(error).__name__}: {error}") from error
    fits = isinstance(tops, list | tuple) and len(tops) == len(layer.tops)
    if not fits or not all(isinstance(top, tuple) and all(isinstance(dim, int) for dim in top) for top in tops):
        raise NetgenError(
            f"shapes() of its type must return a list of {len(layer.tops)} tuples of whole numbers, got {shown(tops)}"
        )
    return tuple(tops)


class Unknown(LayerType):
    """A layer of a type that the catalogue lacks, all of whose tops are given as inputs."""

    bottoms = (0, None)
    tops = (1, None)
    opaque = True
    counted = False


def _kind(layer: Layer, phase: str, given: Mapping[str, Shape]) -> LayerType:
    """What answers for the layer; what is not known of it counts for nothing where its tops are all given."""
    kind_class = find(layer.type)
    told = bool(given and layer.type and layer.tops) and given.keys() >= set(layer.tops)
    if kind_class is None:
        if not told:
            raise NetgenError(unknown_type(layer))
        kind_class = Unknown
    elif not (told and kind_class.opaque):
        refuse_unknown_fields(layer, kind_class)
    kind = kind_class(layer, phase)
    _check_counts(layer, kind)
    return kind


def _check_given(layer: Layer, tops: Sequence[Shape], given: Mapping[str, Shape]) -> None:
    """A layer that computes its tops' shapes takes none from outside."""
    for name, shape in zip(layer.tops, tops, strict=True):
        if name in given and name not in layer.bottoms and given[name] != shape:
            raise NetgenError(
                f"the top {name!r} has the shape {text(shape)}, and {text(given[name])} was given as an input; "
                "give the shapes of inputs alone"
            )


def _check_counts(layer: Layer, kind: LayerType) -> None:
    for what, names, (least, most) in (("bottom", layer.bottoms, kind.bottoms), ("top", layer.tops, kind.tops)):
        if len(names) < least or (most is not None and len(names) > most):
            span = f"{least} or more" if most is None else str(least) if least == most else f"{least} to {most}"
            raise NetgenError(f"takes {span} {what}{'' if least == most == 1 else 's'}, got {len(names)}")
    if kind.same_count and len(layer.bottoms) != len(layer.tops):
        raise NetgenError(f"takes as many tops as bottoms, got {len(layer.tops)} for {len(layer.bottoms)}")
    if kind.refuses_in_place and not set(layer.bottoms).isdisjoint(layer.tops):
        raise NetgenError("does not work in place; give it a top of its own")
    for field, names in (("loss_weight", layer.tops), ("propagate_down", layer.bottoms)):
        values = layer.params.get(field)
        if values and len(values) != len(names):
            raise NetgenError(f"{field} must be given once for each of its {len(names)} blobs, got {len(values)}")
