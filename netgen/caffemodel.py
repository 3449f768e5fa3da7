"""Weights in ``.caffemodel`` and ``.binaryproto`` files, straight from and to protobuf's wire format.

Reading makes views onto a map of the file, and writing goes from the arrays to the file: no value is copied, and a file
costs its own size of memory at most.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from netgen.blobs import Written, read_blob, written_blob
from netgen.errors import NetgenError, ParseError, did_you_mean
from netgen.files import writing
from netgen.graph import Fields, Graph, Layer
from netgen.layers.base import text
from netgen.schema import FIELDS
from netgen.shapes import given_shapes
from netgen.weights import by_layer, key_of, param_name
from netgen.wire import LENGTH, Bytes, Entry, MalformedError, entries, entry_at, head, mapped, varint
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.blobs import Piece
    from netgen.weights import Array, Weights

NO_MODEL = "this is no .caffemodel, or a part of one"
"""What is said first of a file that is none."""

LIMIT = 2**31 - 1
"""The bytes of the largest message that protobuf reads."""

_LAYERS = {FIELDS["NetParameter"][name][0]: FIELDS["NetParameter"][name][3] or "" for name in ("layer", "layers")}
_LAYER = FIELDS["NetParameter"]["layer"][0]
_BLOBS = FIELDS["LayerParameter"]["blobs"][0]


def read_caffemodel(path: str | os.PathLike[str]) -> Weights:
    """The weights in a ``.caffemodel`` of any age, by ``layer:index`` in the file's order; all else in it is ignored.

    The arrays are read-only views onto the file where it holds packed floats, so it must not be changed while they
    live. Two layers of one name are one where they have the same weights, which they shared when they were written.
    Raises ParseError for a file that is no whole ``.caffemodel``, whose shapes and values do not agree, or in which two
    layers of one name have other weights; UsageError when it cannot be read.
    """
    name = os.fspath(path)
    data = mapped(name)
    weights: Weights = {}
    owners: set[str] = set()
    try:
        for layer, blobs in _layers(data, name):
            arrays = {
                key_of(layer, index): _read(data, blob, name, f"layer {layer!r}, weight {index}")
                for index, blob in enumerate(blobs)
            }
            if blobs and layer in owners and not _are_of(weights, layer, arrays):
                raise ParseError(name, 0, 0, _twice(layer))
            owners.update([layer] if blobs else [])
            weights.update(arrays)
    except MalformedError as error:
        raise ParseError(name, 0, 0, f"{NO_MODEL}: {error}") from None
    return weights


def _are_of(weights: Weights, layer: str, arrays: Mapping[str, Array]) -> bool:
    """Whether the weights of a layer so far are these."""
    if key_of(layer, len(arrays)) in weights:
        return False
    return all(key in weights and np.array_equal(weights[key], arrays[key], equal_nan=True) for key in arrays)


def _twice(layer: str) -> str:
    return (
        f"two layers {layer!r} have different weights, of which Caffe loads the last into the first layer of that "
        "name; give them names of their own"
    )


def _read(data: Bytes, blob: Entry, name: str, where: str) -> Array:
    try:
        return read_blob(data, blob.content, blob.end)
    except MalformedError as error:
        raise MalformedError(f"{where}: {error}") from None
    except NetgenError as error:
        raise ParseError(name, 0, 0, f"{where}: {error}") from None


def _layers(data: Bytes, name: str) -> Iterator[tuple[str, list[Entry]]]:
    """Each layer's name and where its blobs lie."""
    at, seen = 0, set()
    while at < len(data):
        try:
            entry = entry_at(data, at, len(data))
        except MalformedError as error:
            raise MalformedError(f"{error}{_cut_layer(data, at)}") from None
        at = entry.end
        if entry.number in _LAYERS and entry.wire == LENGTH:
            seen.add(entry.number)
            yield _layer(data, entry, _LAYERS[entry.number])
    if len(seen) != 1:
        raise ParseError(
            name,
            0,
            0,
            "the net has both 'layer' (V2) and 'layers' (V0, V1) fields" if seen else "there are no layers in it",
        )


def _layer(data: Bytes, layer: Entry, message: str) -> tuple[str, list[Entry]]:
    rows = FIELDS[message]
    name, blobs = "", []
    for entry in entries(data, layer.content, layer.end):
        if entry.wire != LENGTH:
            continue
        if entry.number == rows["name"][0]:
            name = _decoded(data, entry)
        elif entry.number == rows["blobs"][0]:
            blobs.append(entry)
        elif "layer" in rows and entry.number == rows["layer"][0]:
            inner, more = _layer(data, entry, rows["layer"][3] or "")  # V0, which has none within
            name, blobs = inner or name, blobs + more
    return name, blobs


def _decoded(data: Bytes, entry: Entry) -> str:
    return bytes(data[entry.content : entry.end]).decode("utf-8", "surrogateescape")


def _cut_layer(data: Bytes, at: int) -> str:
    """Of which layer the field is that goes beyond the end of the file."""
    try:
        tag, content = varint(data, at, len(data))
        _, content = varint(data, content, len(data))
        message = _LAYERS[tag >> 3]
        for entry in entries(data, content, len(data)):
            if entry.number == FIELDS[message]["name"][0] and entry.wire == LENGTH:
                return f", in layer {_decoded(data, entry)!r}"
    except (MalformedError, KeyError):
        pass
    return ""


# Writing


def write_caffemodel(
    weights: Mapping[str, Array], path: str | os.PathLike[str], net: Graph | None = None, state: State | None = None
) -> None:
    """Write weights as a ``.caffemodel``, whole or not at all, as Caffe's Net::ToProto does.

    With ``net`` it holds the layers of ``state`` (TEST) whole, with type, bottoms, tops and fields, as other programs
    want them; else the layers that have weights, with name and blobs alone. Raises NetgenError, before anything is
    written, for weights of layers that the net lacks and for more than protobuf's 2 GB; UsageError when the file
    cannot be written.
    """
    name = os.fspath(path)
    layers = by_layer(weights)
    if net is None:
        message = _joined([_written_layer(Layer(layer, ""), arrays) for layer, arrays in layers.items()], b"")
    else:
        message = _written_net(net, layers, state or State())
    if message.length > LIMIT:
        raise NetgenError(
            f"{name}: it would have {message.length} bytes, and protobuf reads no more than {LIMIT}; "
            "write .npz or .caffemodel.h5"
        )
    _write(message, name)


def _write(message: Written, name: str) -> None:
    with writing(name) as file:
        for piece in message.pieces:
            if isinstance(piece, bytes):
                file.write(piece)
            else:
                file.write(np.ascontiguousarray(piece, "<f4").reshape(-1).view(np.uint8).data)


def _written_net(net: Graph, weights: Mapping[str, list[Array]], state: State) -> Written:
    from netgen.message import to_message

    given_shapes(net, state, None)  # which refuses what is no net or phase
    layers = [layer for layer in net.layers if state.has(layer)]
    named: dict[str, list[Layer]] = {}
    for layer in layers:
        named.setdefault(layer.name, []).append(layer)
    for name, arrays in weights.items():
        if name not in named or not _share(named[name], len(arrays)):
            raise NetgenError(
                f"there are weights of a layer {name!r}, which the net "
                + ("has twice" if name in named else f"does not have in {state}{did_you_mean(name, list(named))}")
            )
    first: bytes = to_message(Graph(net.name, (), net.params)).SerializeToString()
    return _joined([_written_layer(layer, weights.get(layer.name, [])) for layer in layers], first)


def _share(layers: list[Layer], number: int) -> bool:
    """Whether layers of one name have one set of that many weights (``param { name }``)."""
    names = {tuple(param_name(layer, index) for index in range(number)) for layer in layers}
    return len(layers) == 1 or (len(names) == 1 and all(*names))


def _joined(layers: list[Written], first: bytes) -> Written:
    pieces: list[Piece] = [first]
    length = len(first)
    for layer in layers:
        before = head(_LAYER, layer.length)
        pieces += [before, *layer.pieces]
        length += len(before) + layer.length
    return Written(pieces, length)


def _written_layer(layer: Layer, arrays: list[Array]) -> Written:
    """A LayerParameter with its blobs among its fields, in the order of their numbers."""
    from netgen.message import to_message

    params = Fields({name: value for name, value in layer.params.items() if name != "blobs"})
    fields: bytes = to_message(Graph("", [layer.replace(params=params)])).layer[0].SerializeToString()
    middle = next((each.start for each in entries(fields, 0, len(fields)) if each.number > _BLOBS), len(fields))
    pieces: list[Piece] = [fields[:middle]]
    length = len(fields)
    for array in arrays:
        blob = written_blob(array)
        before = head(_BLOBS, blob.length)
        pieces += [before, *blob.pieces]
        length += len(before) + blob.length
    return Written([*pieces, fields[middle:]], length)


# Mean files


def load_mean(path: str | os.PathLike[str]) -> Array:
    """The mean image in a ``.binaryproto``, 1 x C x H x W as compute_image_mean writes it, in the units of the pixels.

    Raises ParseError when the file is no such file, UsageError when it cannot be read.
    """
    name = os.fspath(path)
    data = mapped(name)
    try:
        return read_blob(data, 0, len(data))
    except (MalformedError, NetgenError) as error:
        raise ParseError(name, 0, 0, f"this is no mean file (.binaryproto), or a part of one: {error}") from None


def save_mean(mean: Array, path: str | os.PathLike[str]) -> None:
    """Write a mean image, C x H x W or 1 x C x H x W, as a ``.binaryproto``, as compute_image_mean does.

    Raises NetgenError for another shape, UsageError when the file cannot be written.
    """
    array = np.asarray(mean, np.float32)
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[0] != 1 or not array.size:
        raise NetgenError(f"a mean must be C x H x W or 1 x C x H x W, got {text(np.shape(mean))}")
    _write(written_blob(array, legacy=True), os.fspath(path))
