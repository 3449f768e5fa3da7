"""An analysis, and two of them, as a page that any browser opens with no network: the libraries it needs are in it.

The page's data is the JSON report. What its scripts may be is said by their hashes, in a policy that allows no other
script and no request: what a file calls its layers cannot become either.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from netgen._version import __version__
from netgen.layers.base import text as shape_text
from netgen.layers.index import TYPES
from netgen.scalars import printable
from netgen.templating import folder, render

if TYPE_CHECKING:
    from netgen.analysis import Analysis
    from netgen.comparison import Comparison
    from netgen.linting import Finding

SCRIPTS = ("model", "layout", "graph", "table", "charts", "page")
"""Our own, in the order in which they need each other; one script in the page, so that their names are their own."""
_TOTALS = ("layers", "weights", "statistics", "macs", "flops", "activation_bytes", "peak_activation_bytes")


class Library(NamedTuple):
    """A library that the page carries."""

    name: str
    version: str
    script: str
    licence: str


def report_page(analysis: Analysis, findings: Sequence[Finding]) -> str:
    """The page of one network, and of what ``lint`` found in it."""
    report = analysis.to_dict()
    found = [_finding(each) for each in findings]
    network = {
        "report": report,
        "findings": [{key: each[key] for key in ("rule", "layer", "message")} for each in found],
    }
    name = _named(analysis)
    return _page(
        "page/report.html.j2", [network], [],
        title=f"{name}: shapes and cost", net=name, report=report, findings=found, tiles=list(_tiles(analysis)),
        inputs=[f"{printable(blob)} {shape_text(shape)}" for blob, shape in analysis.inputs.items()],
        uncounted=printable(", ".join(analysis.uncounted)), error=printable(analysis.error),
    )  # fmt: skip


def diff_page(old: Analysis, new: Analysis, found: Comparison, names: tuple[str, str] | None = None) -> str:
    """The page of two networks beside each other, with what differs marked in both; ``names`` in place of theirs."""
    names = (printable(names[0]), printable(names[1])) if names else (_named(old), _named(new))
    networks = [{"report": each.to_dict(), "findings": []} for each in (old, new)]
    return _page(
        "page/diff.html.j2", networks, list(_marks(found)),
        title=f"{names[0]} and {names[1]}: what changed", names=names, phase=new.phase, totals=list(_both(old, new)),
        changes=list(_changes(found)), errors=[printable(f"Shapes and cost end at {e}") for e in found.errors if e],
    )  # fmt: skip


# What the pages say


def _named(analysis: Analysis) -> str:
    return printable(analysis.name) or "(no name)"


def _finding(finding: Finding) -> dict[str, Any]:
    name = finding.layer.name if finding.layer else None
    return {
        "rule": finding.rule,
        "layer": name,
        "shown": printable(name or "") or "(no name)",
        "message": printable(finding.message),
        "goto": json.dumps([0, name]),
    }


def _tiles(analysis: Analysis) -> Iterator[tuple[str, str, str]]:
    """Name, value and note of each total."""
    totals = analysis.totals()
    peak = analysis.memory.peak_layer
    yield "layers", f"{totals['layers']:,}", "before the one that is refused" if analysis.error else ""
    yield "weights", _short(totals["weights"]), f"{totals['weights']:,} learned, {totals['statistics']:,} statistics"
    yield "weight memory", _mib(totals["weight_bytes"]), f"{totals['weight_bytes']:,} bytes"
    yield "MACs", _short(totals["macs"]), f"{totals['macs']:,} multiply-adds"
    yield "FLOPs", _short(totals["flops"]), f"{totals['flops']:,} operations"
    yield "activations held", _mib(totals["activation_bytes"]), f"{totals['activation_bytes']:,} bytes, as Caffe does"
    yield "peak with reuse", _mib(totals["peak_activation_bytes"]), f"at {printable(peak)}" if peak else ""
    yield (
        "moved",
        _mib(totals["bytes_read"] + totals["bytes_written"]),
        (f"{_mib(totals['bytes_read'])} read, {_mib(totals['bytes_written'])} written"),
    )


def _both(old: Analysis, new: Analysis) -> Iterator[dict[str, str]]:
    before, after = old.totals(), new.totals()
    for name in _TOTALS:
        change = after[name] - before[name]
        share = f" ({100 * change / before[name]:+.1f} %)" if change and before[name] else ""
        yield {
            "name": name.replace("_", " "),
            "old": f"{before[name]:,}",
            "new": f"{after[name]:,}",
            "change": f"{change:+,}{share}" if change else "none",
        }


def _changes(found: Comparison) -> Iterator[dict[str, str]]:
    for change in found.net:
        yield {"mark": "changed", "name": "the net", "goto": "", "text": printable(str(change))}
    for mark, layers, side in (("removed", found.removed, 0), ("added", found.added, 1), ("moved", found.moved, 1)):
        for layer in layers:
            yield _change(mark, side, layer.name, layer.type)
    for each in found.changed:
        yield _change("changed", 1, each.new.name, "; ".join(map(str, each.fields)))
    for shape in found.shapes:
        text = f"blob {shape.path}: {shape_text(shape.old)} -> {shape_text(shape.new)}"
        yield {"mark": "shape", "name": "", "goto": "", "text": printable(text)}


def _change(mark: str, side: int, name: str, text: str) -> dict[str, str]:
    return {
        "mark": mark,
        "name": printable(name) or "(no name)",
        "goto": json.dumps([side, name]),
        "text": printable(text),
    }


def _marks(found: Comparison) -> Iterator[tuple[int, str, str]]:
    """Which network's layers, by name, are marked as what."""
    yield from ((0, layer.name, "removed") for layer in found.removed)
    yield from ((1, layer.name, "added") for layer in found.added)
    yield from ((side, layer.name, "changed") for layer in found.moved for side in (0, 1))
    yield from ((side, each.new.name, "changed") for each in found.changed for side in (0, 1))


def _short(number: int) -> str:
    """A count in three or four digits.

    >>> _short(507_757_568), _short(999)
    ('507.8 M', '999')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return str(number)


def _mib(size: int) -> str:
    if size < 2**20:
        return f"{size / 2**10:.1f} KiB" if size >= 2**10 else f"{size} bytes"
    return f"{size / 2**20:.1f} MiB"


# How the page is put together


def _page(
    template: str, networks: Sequence[dict[str, Any]], marks: Sequence[tuple[int, str, str]], **context: Any
) -> str:
    libraries = vendored()
    scripts = [Markup(library.script) for library in libraries]
    scripts.append(Markup('(() => {\n"use strict";\n' + "\n".join(_ours(f"{name}.js") for name in SCRIPTS) + "})();\n"))
    return render(
        template, None, version=__version__, libraries=libraries, scripts=scripts, style=Markup(_ours("page.css")),
        script_hashes=Markup(" ".join(f"'sha256-{_hash(each)}'" for each in scripts)),
        data=_data({"networks": networks, "families": _families(networks), "marks": marks}), **context,
    )  # fmt: skip


def _families(networks: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """The file under ``netgen/layers`` of each type: what is alike has one colour."""
    types = {layer["type"] for network in networks for layer in network["report"]["layers"]}
    return [(name, TYPES[name][-1]) for name in sorted(types) if name in TYPES]


def _data(value: Any) -> Markup:
    """JSON as the text of a script element, which ends at the first ``</``, whatever is quoted around it."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hash(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()


def _ours(name: str) -> str:
    return (Path(folder()) / "page" / name).read_text(encoding="utf-8")


def vendored() -> list[Library]:
    """The libraries that the page carries, as ``templates/vendor/manifest.json`` lists them."""
    vendor = Path(folder()) / "vendor"
    return [
        Library(
            row["name"],
            row["version"],
            _without_map((vendor / row["files"]["script"]["name"]).read_text(encoding="utf-8")),
            (vendor / row["files"]["licence"]["name"]).read_text(encoding="utf-8"),
        )
        for row in json.loads((vendor / "manifest.json").read_text(encoding="utf-8"))
    ]


def _without_map(script: str) -> str:
    """A script without its last line's reference to a source map, which a browser's debugger would ask for."""
    body, mark, _ = script.rpartition("//# sourceMappingURL=")
    return body if mark else script
