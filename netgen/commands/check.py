"""``netgen check``: the PyTorch mirror against the inferred shapes and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.commands.common import add_source, emit, parser_for, source
from netgen.commands.report import add_state_options, inputs_of, misfitting
from netgen.errors import NetgenError, needed

if TYPE_CHECKING:
    from netgen.mirror.checking import Check

_SHOWN = 20


def run(words: list[str]) -> int:
    """Print what was compared; exit code 1 where something differs."""
    description = (
        "Build a network in PyTorch, run it, and compare every blob's and weight's shape and the operations of\n"
        "each layer with those that 'netgen report' tells. Exit code 1 where something differs."
    )
    parser = parser_for("check SRC [key=value ...]", description, command=True)
    add_source(parser)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto (default), cpu, cuda, cuda:1, ...")
    parser.add_argument("--per-layer", action="store_true", help="the time of each layer beside its FLOPs and bytes")
    add_state_options(parser)
    options = parser.parse_intermixed_args(words)
    net = source(options.source, options.parameters)
    inputs = inputs_of(options, net)
    needed("torch", "torch", "netgen check")
    from netgen.analysis import analyze_as_far_as_possible
    from netgen.commands.effort import tell_effort
    from netgen.mirror.checking import check
    from netgen.mirror.devices import device_named

    device = device_named(options.device)
    state = {"stages": options.stage, "level": options.level}
    tell_effort(analyze_as_far_as_possible(net, options.phase, inputs, **state), device.type, every_blob=False)
    try:
        found = check(net, options.phase, inputs, device=device, per_layer=options.per_layer, **state)
    except NetgenError as error:
        raise misfitting(error, net, inputs, options) from None
    emit("".join(f"{line}\n" for line in _lines(found)), None)
    return 1 if found.differences else 0


def _lines(found: Check) -> list[str]:
    lines = [
        f"phase {found.phase}: compared the shapes of {found.blobs} blobs and {found.weights} weights",
        f"operations in matrix products: {found.flops:,} FLOPs by netgen, {found.torch_flops:,} by torch",
    ]
    if found.skipped:
        lines.append(f"not compared, as their shapes hang on values: {', '.join(found.skipped)}")
    if found.untimed:
        lines.append(f"not timed, as random input is none for it: {found.untimed}")
    if found.milliseconds is not None:
        per_image = found.milliseconds / max(found.images, 1)
        peak = "" if found.peak_bytes is None else f", {found.peak_bytes / 2**20:.1f} MiB at most"
        lines.append(f"on {found.device}: {per_image:.3f} ms an image (of {found.images}){peak}")
    if found.layers:
        lines.append(f"{'ms':>10} {'FLOPs':>16} {'bytes':>14}  layer")
        lines += [
            f"{each.milliseconds:10.4f} {_count(each.flops):>16} {each.bytes:14,}  {each.layer} ({each.type})"
            for each in found.layers
        ]
    lines += [f"differs: {each}" for each in found.differences[:_SHOWN]]
    if len(found.differences) > _SHOWN:
        lines.append(f"differs: and {len(found.differences) - _SHOWN} more")
    lines.append("all agree" if not found.differences else f"{len(found.differences)} differences")
    return lines


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
