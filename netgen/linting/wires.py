"""Rules about names and blobs: what is read, what is overwritten, what is found by its name."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from netgen.linting.registry import Found, rule

if TYPE_CHECKING:
    from netgen.linting.sites import Site, Sites, Version

# Their tops are what one wants to see, read or not: figures for the log, and whatever Python code does.
_SHOWN = frozenset(("Accuracy", "DetectionEvaluate", "EvalDetection", "SegmentationEvaluate", "SegAccuracy", "Python"))
# Layers that may work in place, but whose values are wanted as outputs.
_ENDS = frozenset(("Sigmoid", "TanH"))
# Layers that show memory which they do not write anew for each forward: the user's, or learned weights.
_HELD = frozenset(("Input", "MemoryData", "Parameter"))
# Layers that do nothing in TEST.
_IDLE = frozenset(("Dropout",))


@rule
def dangling_top(net: Sites) -> Found:
    """A top that nobody reads and that is hardly an output.

    In TRAIN every unread top that is no loss: Caffe prints all its values at each display (solver.cpp). Otherwise
    unread inputs (labels of data layers are no news there), and layers that the net goes on around, as where a bottom
    was misnamed: other ends are outputs.
    """
    made = {top.name for site in net.all for top in site.tops}
    for name, version in net.inputs.items():
        if not version.readers and name not in made:
            yield None, f"input {name!r}: no layer reads it; remove it, or name it as a bottom"
    for site in net.all:
        if site.is_loss or site.type in _SHOWN:
            continue
        why = _why_it_is_no_output(net, site)
        if why:
            for top in site.tops:
                if not top.readers:
                    yield site, f"no layer reads its top {top.name!r}; {why}"


def _why_it_is_no_output(net: Sites, site: Site) -> str:
    """What is wrong with an unread top of this layer, and the way out; '' where it may be an output."""
    if net.trains:
        return "Caffe prints every value of it in the log; read it, remove it, or give it to a Silence layer"
    if site.type == "Input":
        return "whoever runs the net would have to fill it for nothing; remove it, or name it as a bottom"
    around = next((later for bottom in site.bottoms if (later := _next_reader(bottom, site.index))), None)
    if around is not None and site.kind is not None and site.kind.in_place and site.type not in _ENDS:
        name = site.bottoms[0].name
        return (
            f"layer {around.layer.name!r} goes on from its bottom {name!r} instead, so that it does nothing; "
            "remove it, or name its top as that layer's bottom"
        )
    return ""


def _next_reader(version: Version, index: int) -> Site | None:
    """The first layer behind this place that reads the blob."""
    place = bisect_right(version.readers, index, key=lambda reader: reader.index)
    return version.readers[place] if place < len(version.readers) else None


@rule
def duplicate_layer_name(net: Sites) -> Found:
    """Two layers of a phase with one name, which Caffe accepts.

    It finds weights by name, and stops at the first layer that has it (net.cpp, CopyTrainedLayersFrom).
    """
    first: dict[str, Site] = {}
    for site in net.all:
        name = site.layer.name
        other = first.setdefault(name, site)
        if name and other is not site:
            why = _of_one_name(other, site)
            yield site, f"layer {other.index + 1} of the phase has the same name; {why}; rename one"


def _of_one_name(first: Site, second: Site) -> str:
    params = [site.layer.params.get("param", ()) for site in (first, second)]
    owners = [{spec["name"] for spec in specs if spec.get("name")} for specs in params]
    mixed_up = "reports and tools that go by names mix them up, and caffe2onnx 2.0.1 breaks"
    if owners[0] & owners[1]:
        return f"they share their weights, but {mixed_up}"
    if first.shaped is None or second.shaped is None:
        return f"Caffe finds weights by that name, {mixed_up}"
    weights = [len(site.shaped.weights) for site in (first, second) if site.shaped]
    if weights[0] != weights[1]:
        return (
            f"they have {weights[0]} and {weights[1]} weights, and Caffe, which gives those of both to the first, "
            "refuses to load what it saved itself"
        )
    if weights[0]:
        return "Caffe gives all weights of that name to the first, and leaves the second as its fillers made it"
    return f"neither has weights, but {mixed_up}"


@rule
def missing_layer_name(net: Sites) -> Found:
    """A layer without a name, which Caffe accepts.

    It finds weights by name (net.cpp, CopyTrainedLayersFrom), and its errors and logs name layers.
    """
    for site in net.all:
        if not site.layer.name:
            top = f" that makes {site.layer.tops[0]!r}" if site.layer.tops else ""
            yield site, f"the layer{top} has no name, by which Caffe finds weights and tells of errors; give it one"


@rule
def in_place_on_input(net: Sites) -> Found:
    """A layer that works in place on an input, whose memory no layer writes anew.

    A second forward begins from what the first left (input_layer.hpp: Forward does nothing); of a Parameter the
    learned values are changed.
    """
    told = set()
    for site in net.all:
        for source in [version.memory for version in _overwritten(net, site)]:
            writer = source.writer
            held = writer.type in _HELD if writer else net.inputs.get(source.name) is source
            if held and source not in told:
                told.add(source)
                message = (
                    f"it works in place on the input {source.name!r}, which the next forward finds changed unless "
                    "all of it is given again; give it a top of its own"
                )
                yield site, message


@rule
def in_place_fan_out(net: Sites) -> Found:
    """A layer in place on a blob whose memory, through Split, Reshape or Flatten, is that of one that is read later.

    Caffe refuses in place after another reader of the same name, but sees no further (insert_splits.cpp); those three
    layers share memory (ShareData).
    """
    # For each memory, what the names on it stand for by now: an earlier version of a name is read no more.
    sharing: dict[Version, dict[str, Version]] = {}
    for site in net.all:
        for version in _overwritten(net, site):
            others = sharing.get(version.memory, {}).values()
            late = next((each for each in others if each.name != version.name and _is_read_after(site, each)), None)
            if late:
                message = (
                    f"it works in place on {version.name!r}, which shares its memory with {late.name!r}, and layer "
                    f"{late.readers[-1].layer.name!r} reads that later and finds it changed; give it a top of its own"
                )
                yield site, message
        for version in (*site.bottoms, *site.tops):
            sharing.setdefault(version.memory, {})[version.name] = version


def _overwritten(net: Sites, site: Site) -> tuple[Version, ...]:
    """What it changes in place."""
    return () if net.phase == "TEST" and site.type in _IDLE else site.in_place


def _is_read_after(site: Site, version: Version) -> bool:
    return bool(version.readers) and version.readers[-1].index > site.index


@rule
def eltwise_in_place(net: Sites) -> Found:
    """An Eltwise SUM in place loses its first bottom: Caffe sets the top to 0 before it adds (eltwise_layer.cpp)."""
    for site in net.of("Eltwise"):
        if site.in_place and site.fields["operation"] == "SUM":
            message = (
                f"it sums in place on {site.in_place[0].name!r}, which Caffe sets to 0 first: that bottom is lost "
                "without a word; give it a top of its own"
            )
            yield site, message
