"""``netgen.analyze``: the shapes and the cost of one phase of a network, as one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netgen.cost import LayerCost, Memory, Sight, layer_costs, memory, sights
from netgen.errors import NetgenError, UsageError
from netgen.shapes import ShapedLayer, given_shapes, input_shapes, walk_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.layers.base import Shape

COLUMNS = (
    "name", "type", "bottoms", "tops", "shapes", "weights", "learned", "statistics", "macs", "flops", "activations",
    "live_bytes", "bytes_read", "bytes_written", "intensity", "receptive_field", "stride",
)  # fmt: skip


class Analysis:
    """What ``analyze`` found; ``to_dict()`` is the JSON report, ``rows()`` what pandas takes."""

    def __init__(
        self, net: Graph, state: State, inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer], error: str = ""
    ) -> None:
        self.name = net.name
        self.phase = state.phase
        self.layers = list(layers)
        self.costs: list[LayerCost] = layer_costs(layers)
        self.error = error
        self._net_inputs = dict(inputs)

    @cached_property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of the blobs that no layer makes from others."""
        return {**self._net_inputs, **{n: s for each in self.layers if not each.bottoms for n, s in _tops(each)}}

    @cached_property
    def blobs(self) -> dict[str, Shape]:
        """The shape of every blob, in the order in which they are made."""
        return {**self._net_inputs, **{name: shape for each in self.layers for name, shape in _tops(each)}}

    @cached_property
    def memory(self) -> Memory:
        """The memory of the activations."""
        return memory(self._net_inputs, self.layers)

    @cached_property
    def sights(self) -> dict[str, Sight | None]:
        """What each blob sees of the input."""
        return sights(self._net_inputs, self.layers)

    @property
    def uncounted(self) -> list[str]:
        """The layers whose cost is not known, or not wholly."""
        return [shaped.layer.name for shaped, cost in zip(self.layers, self.costs, strict=True) if cost.macs is None]

    def totals(self) -> dict[str, int]:
        """The sums over all layers: counts, bytes in float32. What ``uncounted`` names is not in them."""
        learned, statistics, macs, flops, _, bytes_read, bytes_written = (
            sum(filter(None, column)) for column in zip(LayerCost(*[0] * 7), *self.costs, strict=True)
        )
        return {
            "layers": len(self.layers),
            "weights": learned,
            "statistics": statistics,
            "weight_bytes": 4 * (learned + statistics),
            "macs": macs,
            "flops": flops,
            "activations": self.memory.held // 4,
            "activation_bytes": self.memory.held,
            "peak_activation_bytes": self.memory.peak,
            "bytes_read": bytes_read,
            "bytes_written": bytes_written,
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """A dict for each layer, of JSON values: ``pandas.DataFrame(analysis.rows())``.

        Learned, statistics and activations are counts of values, macs of multiply-adds, flops of operations, what ends
        in bytes (and bytes_read, bytes_written) is bytes in float32, intensity flops a byte, receptive_field and
        stride height and width in pixels of the input; shapes are those of the tops, weights those of its blobs.
        """
        for shaped, cost, live in zip(self.layers, self.costs, self.memory.live, strict=True):
            layer = shaped.layer
            sight = self.sights.get(layer.tops[0]) if layer.tops else None
            yield {
                "name": layer.name,
                "type": layer.type,
                "bottoms": list(layer.bottoms),
                "tops": list(layer.tops),
                "shapes": [list(shape) for shape in shaped.tops],
                "weights": [list(shape) for shape in shaped.weights],
                "learned": cost.weights,
                "statistics": cost.statistics,
                "macs": cost.macs,
                "flops": cost.flops,
                "activations": cost.activations,
                "live_bytes": live,
                "bytes_read": cost.bytes_read,
                "bytes_written": cost.bytes_written,
                "intensity": None if cost.intensity is None else round(cost.intensity, 3),
                **(_sight(sight) or dict.fromkeys(("receptive_field", "stride"))),
            }

    def to_dict(self) -> dict[str, Any]:
        """The JSON report; its schema is ``netgen/report.schema.json``."""
        return {
            "name": self.name,
            "phase": self.phase,
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "blobs": {name: list(shape) for name, shape in self.blobs.items()},
            "receptive_fields": {name: _sight(sight) for name, sight in self.sights.items()},
            "layers": list(self.rows()),
            "totals": self.totals(),
            "peak_layer": self.memory.peak_layer,
            "uncounted": self.uncounted,
            "error": self.error or None,
        }

    def to_csv(self) -> str:
        """One line for each layer, of ``rows()`` and in its units; lists are joined by blanks, shapes by ``x``."""
        import csv
        import io

        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows():
            writer.writerow([_cell(row[column]) for column in COLUMNS])
        return out.getvalue()

    def by_type(self) -> list[tuple[str, int, int, int, int]]:
        """For each type, the most flops first: its name, layers, learned weights, macs and flops."""
        sums: dict[str, list[int]] = {}
        for shaped, cost in zip(self.layers, self.costs, strict=True):
            row = sums.setdefault(shaped.layer.type, [0, 0, 0, 0])
            for i, value in enumerate((1, cost.weights, cost.macs or 0, cost.flops or 0)):
                row[i] += value
        ordered = sorted(sums.items(), key=lambda item: (-item[1][3], -item[1][1], item[0]))
        return [(name, layers, weights, macs, flops) for name, (layers, weights, macs, flops) in ordered]

    def convention(self, name: str) -> dict[str, int]:
        """The total as another tool counts it: see ``CONVENTIONS``."""
        if name not in CONVENTIONS:
            raise UsageError(f"convention {name!r}: choose from {', '.join(CONVENTIONS)}")
        unit, _, total = CONVENTIONS[name]
        return {unit: total(self)}

    def _repr_html_(self) -> str:
        """A table, in notebooks."""
        from netgen.report import html_table

        return html_table(self)

    def __repr__(self) -> str:
        totals = self.totals()
        return (
            f"<Analysis of {self.name!r}, {self.phase}: {totals['layers']} layers, {totals['weights']:,} weights, "
            f"{totals['macs']:,} macs>"
        )


def _netscope(analysis: Analysis) -> int:
    return sum(each.kind.netscope_macs(each.bottoms, each.tops) for each in analysis.layers)


def _macs(analysis: Analysis) -> int:
    return analysis.totals()["macs"]


def _darknet(analysis: Analysis) -> int:
    return 2 * sum(each.kind.darknet_macs(each.bottoms, each.tops) for each in analysis.layers)


def _two_each(analysis: Analysis) -> int:
    return 2 * _macs(analysis)


CONVENTIONS: dict[str, tuple[str, str, Callable[[Analysis], int]]] = {
    "macs": ("macs", "multiply-adds of matrix products", _macs),
    "netscope": ("macc", "those, and LRN, Scale and Eltwise PROD as netscope counts them", _netscope),
    "darknet": ("flops", "two for each multiply-add but of deconvolutions, as Darknet's BFLOPs", _darknet),
    "torch": ("flops", "two for each multiply-add, as torch's FlopCounterMode", _two_each),
}
"""Each convention's unit, what it counts, and the count."""


def analyze(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Analysis:
    """The shapes and the cost of one phase of a net, without Caffe.

    ``inputs`` gives inputs another shape (another batch, say), or data layers the one that their file does not say.
    Raises NetgenError naming the layer that Caffe would refuse, or whose type is not known.

    >>> import netgen
    >>> netgen.analyze(netgen.build("peleenet"))
    <Analysis of 'PeleeNet', TEST: 482 layers, 2,802,248 weights, 507,757,568 macs>
    """
    analysis = analyze_as_far_as_possible(net, phase, inputs, stages=stages, level=level)
    if analysis.error:
        raise NetgenError(analysis.error)
    return analysis


def analyze_as_far_as_possible(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Analysis:
    """The same, of the layers up to the first that is refused; ``error`` then says why."""
    state = State(phase, level, stages)
    given = given_shapes(net, state, inputs)
    layers: list[ShapedLayer] = []
    error = ""
    try:
        layers.extend(walk_layers(net, state, given))
    except NetgenError as refusal:
        error = str(refusal)
    return Analysis(net, state, input_shapes(net, given), layers, error)


def _tops(shaped: ShapedLayer) -> Iterable[tuple[str, Shape]]:
    return zip(shaped.layer.tops, shaped.tops, strict=True)


def _sight(sight: Sight | None) -> dict[str, list[int | float]] | None:
    if sight is None:
        return None
    return {"receptive_field": list(sight.field), "stride": [_plain(step) for step in sight.stride]}


def _plain(number: Any) -> int | float:
    return int(number) if number == int(number) else float(number)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join("x".join(map(str, each)) if isinstance(each, list) else str(each) for each in value)
    return "" if value is None else value
