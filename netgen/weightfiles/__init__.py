"""Weights in files, a module a format: ``load_weights`` and ``save_weights`` choose by what a file is or is called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from netgen.errors import ParseError, UsageError
from netgen.files import file_name
from netgen.wire import mapped

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.layers.base import Shape
    from netgen.weights import Array, Weights

ENDINGS = {".caffemodel": "caffemodel", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5", ".pt": "torch", ".pth": "torch"}
"""The format that a file's ending stands for; Caffe takes .caffemodel.h5 for HDF5 by the last of its endings, too."""

_MAGICS = {b"PK\x03\x04": "npz", b"PK\x05\x06": "npz", b"\x89HDF\r\n\x1a\n": "hdf5", b"\x80\x02": "torch"}
_NO_WEIGHTS = {
    ".prototxt": "a network without weights",
    ".weights": "Darknet's, which is read with its .cfg (netgen import)",
    ".binaryproto": "a mean, which netgen.load_mean reads",
}


def load_weights(path: str | os.PathLike[str], expected: Mapping[str, Shape] | None = None) -> Weights:
    """The weights in a file, float32 by ``layer:index``, in the file's order; see ``netgen.weights``.

    The file is a ``.caffemodel``, an ``.npz``, an HDF5 snapshot of Caffe or a torch state dict with such keys, told by
    its first bytes, else by its ending. Nothing in it is run. ``expected`` (of ``expected_weights``) bounds what an
    archive may unpack to; else that is in proportion to its size. Arrays of a ``.caffemodel`` are read-only views onto
    the file, which must not be changed while they live.

    Raises ParseError for a file that is none of these, damaged, or of another shape than it says; UsageError when it
    cannot be read, or when its format needs a package that is not installed.
    """
    name = file_name(path)
    kind = _kind(name)
    if kind == "caffemodel":
        return _read_caffemodel(name)
    weights: Weights = import_module(f"netgen.weightfiles.{kind}").read(name, expected)
    return weights


def save_weights(
    weights: Mapping[str, Array],
    path: str | os.PathLike[str],
    net: Graph | None = None,
    *,
    phase: str = "TEST",
    stages: Iterable[str] = (),
    level: int = 0,
) -> None:
    """Write weights to a file, whole or not at all, in the format that its ending says (``ENDINGS``).

    A ``.caffemodel`` holds with ``net`` the whole layers of the phase, as other programs want it, else the names and
    weights alone. Raises NetgenError for what the format cannot hold, before anything is written; UsageError for
    another ending and when the file cannot be written.
    """
    name = file_name(path)
    kind = format_for(name)
    if kind == "caffemodel":
        from netgen.caffemodel import write_caffemodel
        from netgen.wiring import State

        write_caffemodel(weights, name, net, State(phase, level, stages))
    else:
        from netgen.weights import by_layer, key_of

        whole = {key_of(layer, i): each for layer, arrays in by_layer(weights).items() for i, each in enumerate(arrays)}
        import_module(f"netgen.weightfiles.{kind}").write(whole, name)


def _read_caffemodel(name: str) -> Weights:
    from netgen.caffemodel import NO_MODEL, read_caffemodel

    try:
        return read_caffemodel(name)
    except ParseError as error:
        if _ending(name) in ENDINGS or not error.rule.startswith(NO_MODEL):
            raise
        way = f"no other format of weights is told by its ending: {', '.join(ENDINGS)}"
        raise ParseError(name, 0, 0, f"{error.rule}; {way}") from None


def format_for(name: str) -> str:
    """The format in which weights are written to a file of that name; raises UsageError where its ending tells none."""
    if _ending(name) not in ENDINGS:
        way = (
            "; Darknet's are written by netgen.export_darknet ('netgen export')" if _ending(name) == ".weights" else ""
        )
        raise UsageError(f"{name}: the ending must tell the format of the weights: {', '.join(ENDINGS)}{way}")
    return ENDINGS[_ending(name)]


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _kind(name: str) -> str:
    """The format of a file by its first bytes, else by its ending; what is unknown is taken for a .caffemodel."""
    ending = _ending(name)
    with mapped(name, hdf5=True) as data:
        kind = next((kind for magic, kind in _MAGICS.items() if data[: len(magic)] == magic), None)
    named = ENDINGS.get(ending, "caffemodel")
    if kind == "npz" and named == "torch":
        return named  # torch's files are zip archives, too
    if kind is not None:
        return kind
    if named in ("npz", "hdf5") or ending in _NO_WEIGHTS:
        what = "this is no {} file, or a part of one" if named != "caffemodel" else f"this is {_NO_WEIGHTS[ending]}"
        raise ParseError(name, 0, 0, what.format(ending))
    return named
