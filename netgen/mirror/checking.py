"""The mirror against what netgen infers: shapes of blobs and weights, operations, and on a device time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from netgen.cost import layer_costs
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
    milliseconds: float
    """The median time of a pass."""
    images: int
    """The first axis of the first input."""
    peak_bytes: int | None
    """The most memory that the pass held on a GPU, weights included; None elsewhere."""
    layers: tuple[LayerTime, ...]


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
    and the operations of each layer; then it runs on ``device`` with random input; ``per_layer`` times each layer.
    Raises NetgenError where the mirror cannot be built or run.
    """
    with torch.device("meta"):
        meta = Mirror(net, phase, inputs, stages=stages, level=level)
    shaped = shape_layers(net, meta.states[phase], meta._given_in(phase))
    skipped = _dynamic(shaped)
    differences = _weights(meta, shaped)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        blobs = meta({name: torch.empty(shape, device="meta") for name, shape in meta.inputs.items()}, blobs="all")
    differences += _shapes(meta.program, blobs, skipped)
    flops, counted, unlike = _flops(meta, shaped, counter)
    differences += unlike
    return Check(
        phase, len(meta.program.blobs) - len(skipped), len(meta.slots), flops, counted, tuple(skipped),
        tuple(differences), str(device), *_run(net, meta, torch.device(device), per_layer=per_layer),
    )  # fmt: skip


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
            slot = mirror.slots.get(f"{each.layer.name}:{i}")
            got = None if slot is None else tuple(slot.read().shape)
            if got != shape:
                there = "not there" if got is None else text(got)
                differences.append(
                    f"{each.layer}: weight {i} is inferred as {text(shape)}, in the mirror it is {there}"
                )
    return differences


def _shapes(program: Program, blobs: Mapping[str, torch.Tensor], skipped: Mapping[str, None]) -> list[str]:
    makers = {top: step.layer for step in program.steps for top in step.tops}
    differences = []
    for name, shape in program.blobs.items():
        got = tuple(blobs[name].shape)
        if name not in skipped and got != shape:
            what = f"blob {name!r} is inferred as {text(shape)}, in the mirror it is {text(got)}"
            differences.append(f"{makers.get(name, 'an input')}: {what}")
    return differences


def _flops(mirror: Mirror, shaped: Sequence[ShapedLayer], counter: FlopCounterMode) -> tuple[int, int, list[str]]:
    """The operations by netgen and by torch, in total and where they differ in a layer."""
    names = {id(module): name for name, module in mirror.named_modules()}
    by_module = counter.get_flop_counts()
    own = {each.layer.name: 2 * each.kind.macs(each.bottoms, each.tops) for each in shaped}
    differences = []
    total = counted = 0
    for step in mirror.program.steps:
        theirs = sum(by_module.get(f"{type(mirror).__name__}.{names[id(step.module)]}", {}).values())
        mine = own.get(step.layer.name, 0)
        total, counted = total + mine, counted + theirs
        if mine != theirs:
            differences.append(f"{step.layer}: {mine:,} operations in products by netgen, {theirs:,} by torch")
    return total, counted, differences


def _run(
    net: Graph, meta: Mirror, device: torch.device, *, per_layer: bool
) -> tuple[float, int, int | None, tuple[LayerTime, ...]]:
    """Time of a pass, images in it, peak memory, and the layers' times."""
    state = meta.states[meta.phase]
    mirror = Mirror(net, meta.phase, meta.given, stages=state.stages, level=state.level)
    mirror.fill()
    mirror.to(device)
    generator = torch.Generator().manual_seed(0)
    with memory.told(lambda: f"the inputs are {memory.size_of(mirror.inputs.values())}; give smaller ones (--input)"):
        inputs = {name: torch.rand(shape, generator=generator).to(device) for name, shape in mirror.inputs.items()}
    clock = _Clock(device)
    with torch.no_grad():
        mirror(inputs)
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
    return clock.median(marks), images, peak, layers


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
            step.layer.name,
            step.layer.type,
            clock.median(list(zip(marks[id(step.module)][::2], marks[id(step.module)][1::2], strict=True))),
            *costs[step.layer.name],
        )
        for step in steps
    )


def _costs(mirror: Mirror) -> dict[str, tuple[int | None, int]]:
    """The operations and the bytes read and written of each layer, by name."""
    shaped = shape_layers(mirror.net, mirror.states[mirror.phase], mirror._given_in(mirror.phase))
    costs = zip(shaped, layer_costs(shaped), strict=True)
    return {each.layer.name: (cost.flops, cost.bytes_read + cost.bytes_written) for each, cost in costs}


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
