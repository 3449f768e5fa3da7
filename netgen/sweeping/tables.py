"""The rows of a sweep become a file, row by row: CSV, JSON or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from io import TextIOWrapper
from itertools import islice
from typing import Any, BinaryIO

from netgen.errors import UsageError, did_you_mean
from netgen.sweeping.grid import Steps
from netgen.sweeping.job import Job

Rows = Iterable[Mapping[str, Any]]
Write = Callable[[BinaryIO, Job, Rows], None]
_GROUP = 10_000
"""How many rows a row group of a Parquet file has."""


def writer_for(path: str) -> Write:
    """What writes a file with this ending. Raises UsageError for another one, and where its package is missing."""
    ending = path.rpartition(".")[2].lower() if "." in path else ""
    if ending not in _WRITERS:
        near = did_you_mean(ending, _WRITERS) if ending else ""
        raise UsageError(f"{path}: the file must end in {', '.join(f'.{each}' for each in _WRITERS)}{near}")
    if ending == "parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"{path}: Parquet needs the package pyarrow: pip install 'netgen[parquet]'; or write a .csv")
    return _WRITERS[ending]


def cell(value: Any) -> Any:
    """A value as the command line takes it: a list with commas between, true, false, none."""
    if isinstance(value, list | tuple):
        return ",".join(str(cell(each)) for each in value)
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "none" if value is None else value


def _csv(file: BinaryIO, job: Job, rows: Rows) -> None:
    import csv

    text = TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    columns, given = job.columns, len(job.axes)
    writer.writerow(columns)
    for row in rows:
        values = list(row.values())
        writer.writerow([*map(cell, values[:given]), *values[given:]])
    text.detach()


def _json(file: BinaryIO, _: Job, rows: Rows) -> None:
    before = b"["
    for row in rows:
        file.write(before + b"\n" + json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        before = b","
    file.write(b"[]\n" if before == b"[" else b"\n]\n")


def _parquet(file: BinaryIO, job: Job, rows: Rows) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {name: _kind(values, pa) for name, values in job.axes.items()}
    counts = dict.fromkeys(job.columns[len(kinds) : -1], pa.int64())
    schema = pa.schema({**kinds, **counts, job.columns[-1]: pa.string()})
    words = [name for name, kind in kinds.items() if kind is None or kind == pa.string()]
    with parquet.ParquetWriter(file, schema) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist([_worded(row, words) for row in group], schema))


def _groups(rows: Rows) -> Iterator[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while group := list(islice(remaining, _GROUP)):
        yield group


def _worded(row: Mapping[str, Any], words: Sequence[str]) -> Mapping[str, Any]:
    return {**row, **{name: str(cell(row[name])) for name in words}} if words else row


def _kind(values: Sequence[Any], pa: Any) -> Any:
    """The Arrow type that holds all values of a parameter; of several kinds, words as the command line takes them."""
    seen = [values[0]] if isinstance(values, Steps) else values
    lists = [each for each in seen if isinstance(each, list | tuple)]
    if lists and len(lists) == len(seen):
        inner = _scalar([each for one in lists for each in one], pa)
        return pa.string() if inner == pa.string() else pa.list_(inner)
    return _scalar(seen, pa)


def _scalar(values: Sequence[Any], pa: Any) -> Any:
    kinds = {type(each) for each in values if each is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


_WRITERS: dict[str, Write] = {"csv": _csv, "parquet": _parquet, "json": _json}
