"""The mirror against what netgen infers: shapes of blobs and weights, operations, and on a device time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from netgen.cost import layer_costs
from netgen.errors import NetgenError
from netgen.layers.base import text
from netgen.mirror import memory
from netgen.mirror.network import Mirror
from netgen.shapes import shape_layers

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.mirror.program import Program
    from netgen.shapes import ShapedLayer

_PASSES = 5


class LayerTime(NamedTuple):
    """What a layer took on the device."""

    layer: str
    """Its name; of two that are one module both."""
    type: str
    milliseconds: float
    flops: int | None
    bytes: int


class Check(NamedTuple):
    """What was compared, and what differs."""

    phase: str
    blobs: int
    weights: int
    flops: int
    """Operations of the matrix products, as netgen counts them."""
    torch_flops: int
    """The same as torch's FlopCounterMode counts them."""
    skipped: tuple[str, ...]
    """Blobs whose shapes hang on values, so that they were not compared."""
    differences: tuple[str, ...]
    device: str
    milliseconds: float | None
    """The median time of a pass; None where something differs."""
    images: int
    """The first axis of the first input."""
    peak_bytes: int | None
    """The most memory that the pass held on a GPU, weights included; None elsewhere."""
    layers: tuple[LayerTime, ...]
    untimed: str = ""
    """Why there is no time though all agrees: what a layer says of the random input."""


def check(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    device: torch.device | str = "cpu",
    per_layer: bool = False,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Check:
    """Build the mirror, run it, and compare it with the inferred shapes and counts.

    It is built and run without memory first, on torch's meta device, and every blob's and weight's shape is compared,
    and the operations of each layer; then, where they agree, it runs on ``device`` with random input; ``per_layer``
    times each layer. Raises NetgenError where the mirror cannot be built.
    """
    with torch.device("meta"):
        meta = Mirror(net, phase, inputs, stages=stages, level=level)
    shaped = shape_layers(net, meta.states[phase], meta._given_in(phase))
    skipped = _dynamic(shaped)
    counter = FlopCounterMode(display=False)
    blobs = {name: torch.empty(shape, device="meta") for name, shape in meta.inputs.items()}
    stopped = _passed(meta, blobs, counter)
    flops, counted, unlike = _flops(meta, shaped, counter)
    differences = [*_weights(meta, shaped), *_shapes(meta.program, blobs, skipped), *(stopped or unlike)]
    found = Check(
        phase, len(blobs.keys() - skipped.keys()), len(meta.weights_in[phase]), flops, counted, tuple(skipped),
        tuple(differences), str(device), None, 0, None, (),
    )  # fmt: skip
    return found if differences else _timed(found, net, meta, torch.device(device), per_layer=per_layer)


def _passed(mirror: Mirror, blobs: dict[str, torch.Tensor], counter: FlopCounterMode) -> list[str]:
    """Run the mirror; ``blobs`` gets all of them, up to where it stops, which is told."""
    try:
        with torch.no_grad(), counter:
            _Pass(mirror)(blobs)
    except NetgenError as error:
        return [str(error)]
    except Exception as error:
        # Whatever torch makes of a shape that is not as inferred; the layer is in the note.
        place = " ".join(getattr(error, "__notes__", ()))
        return [f"the mirror stops {place}: {(str(error) or type(error).__name__).splitlines()[0]}"]
    return []


class _Pass(nn.Module):
    """A pass of which the blobs stay where it stops, as a module: torch counts by modules."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__()
        self.mirror = mirror

    def forward(self, blobs: dict[str, torch.Tensor]) -> None:
        self.mirror._run(self.mirror.program, blobs, set(self.mirror.program.blobs))


def _dynamic(shaped: Sequence[ShapedLayer]) -> dict[str, None]:
    """The blobs whose shapes hang on values, and those made of them."""
    found: dict[str, None] = {}
    for each in shaped:
        if each.kind.dynamic or any(name in found for name in each.layer.bottoms):
            found.update(dict.fromkeys(each.layer.tops))
    return found


def _weights(mirror: Mirror, shaped: Sequence[ShapedLayer]) -> list[str]:
    differences = []
    for each in shaped:
        for i, shape in enumerate(each.weights):
            slot = mirror.slot_of(each.layer, i)
            got = None if slot is None else tuple(slot.read().shape)
            if got != shape:
                there = "not there" if got is None else text(got)
                differences.append(
                    f"{each.layer}: weight {i} is inferred as {text(shape)}, in the mirror it is {there}"
                )
    known = {id(slot.parameter()) for slot in (*mirror.slots.values(), *mirror.later)}
    for step in mirror.program.steps:
        more = [text(tuple(each.shape)) for each in step.module.parameters() if id(each) not in known]
        if more:
            differences.append(f"{step.layer}: the mirror has weights that are not inferred: {', '.join(more)}")
    return differences


def _shapes(program: Program, blobs: Mapping[str, torch.Tensor], skipped: Mapping[str, None]) -> list[str]:
    makers = {top: step.layer for step in program.steps for top in step.tops}
    differences = []
    for name, shape in program.blobs.items():
        got = tuple(blobs[name].shape) if name in blobs else shape
        if name not in skipped and got != shape:
            what = f"blob {name!r} is inferred as {text(shape)}, in the mirror it is {text(got)}"
            differences.append(f"{makers.get(name, 'an input')}: {what}")
    return differences


def _flops(mirror: Mirror, shaped: Sequence[ShapedLayer], counter: FlopCounterMode) -> tuple[int, int, list[str]]:
    """The operations by netgen and by torch, in total and where they differ in a layer."""
    names = {id(module): name for name, module in mirror.named_modules()}
    by_module = counter.get_flop_counts()
    own = {id(each.layer): 2 * each.kind.macs(each.bottoms, each.tops) for each in shaped}
    differences = []
    total = counted = 0
    for step in mirror.program.steps:
        theirs = sum(by_module.get(f"{_Pass.__name__}.mirror.{names[id(step.module)]}", {}).values())
        mine = sum(own[id(layer)] for layer in step.layers)
        total, counted = total + mine, counted + theirs
        if mine != theirs:
            differences.append(f"{step.layer}: {mine:,} operations in products by netgen, {theirs:,} by torch")
    return total, counted, differences


def _timed(found: Check, net: Graph, meta: Mirror, device: torch.device, *, per_layer: bool) -> Check:
    """With the time of a pass, the images in it, the peak memory, and the layers' times."""
    state = meta.states[meta.phase]
    mirror = Mirror(net, meta.phase, meta.given, stages=state.stages, level=state.level)
    mirror.fill()
    mirror.to(device)
    generator = torch.Generator().manual_seed(0)
    with memory.told(lambda: f"the inputs are {memory.size_of(mirror.inputs.values())}; give smaller ones (--input)"):
        inputs = {name: torch.rand(shape, generator=generator).to(device) for name, shape in mirror.inputs.items()}
    clock = _Clock(device)
    with torch.no_grad():
        try:
            mirror(inputs)
        except memory.OutOfMemoryError:
            raise
        except NetgenError as error:  # labels, boxes and indices are seldom what is drawn
            return found._replace(untimed=str(error))
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        marks = []
        for _ in range(_PASSES):
            begin = clock.mark()
            mirror(inputs)
            marks.append((begin, clock.mark()))
        peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        layers = _layer_times(mirror, inputs, clock) if per_layer else ()
    images = next((shape[0] for shape in mirror.inputs.values() if shape), 1)
    return found._replace(milliseconds=clock.median(marks), images=images, peak_bytes=peak, layers=layers)


def _layer_times(mirror: Mirror, inputs: Mapping[str, torch.Tensor], clock: _Clock) -> tuple[LayerTime, ...]:
    """The median time of each layer over a few passes, beside its operations and the bytes it moves."""
    steps = mirror.program.steps
    marks: dict[int, list[Any]] = {id(step.module): [] for step in steps}
    hooks = []
    for step in steps:
        mine = marks[id(step.module)]
        hooks.append(step.module.register_forward_pre_hook(lambda *_, mine=mine: mine.append(clock.mark())))
        hooks.append(step.module.register_forward_hook(lambda *_, mine=mine: mine.append(clock.mark())))
    for _ in range(_PASSES):
        mirror(inputs)
    for hook in hooks:
        hook.remove()
    costs = _costs(mirror)
    return tuple(
        LayerTime(
            " + ".join(layer.name for layer in step.layers),
            " + ".join(layer.type for layer in step.layers),
            clock.median(list(zip(marks[id(step.module)][::2], marks[id(step.module)][1::2], strict=True))),
            *_sum([costs[id(layer)] for layer in step.layers]),
        )
        for step in steps
    )


def _sum(costs: Sequence[tuple[int | None, int]]) -> tuple[int | None, int]:
    flops = [cost[0] for cost in costs if cost[0] is not None]
    return sum(flops) if len(flops) == len(costs) else None, sum(cost[1] for cost in costs)


def _costs(mirror: Mirror) -> dict[int, tuple[int | None, int]]:
    """The operations and the bytes read and written of each layer, by its id."""
    shaped = shape_layers(mirror.net, mirror.states[mirror.phase], mirror._given_in(mirror.phase))
    costs = zip(shaped, layer_costs(shaped), strict=True)
    return {id(each.layer): (cost.flops, cost.bytes_read + cost.bytes_written) for each, cost in costs}


class _Clock:
    """Marks in time on a device: events on a GPU, the processor's clock elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> Any:
        """Now, in the order of the device's work."""
        if self.device.type != "cuda":
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def median(self, pairs: Sequence[tuple[Any, Any]]) -> float:
        """The median of the milliseconds between the marks of each pair."""
        if self.device.type != "cuda":
            taken: list[float] = [(end - begin) * 1e3 for begin, end in pairs]
            return statistics.median(taken)
        torch.cuda.synchronize(self.device)
        times: list[float] = [begin.elapsed_time(end) for begin, end in pairs]
        return statistics.median(times)
