"""The architecture in a ``.caffemodel``: its layers without their weights.

The weights are stepped over and never read, so that a file of 500 MB costs what its 50 kB of layers cost.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from netgen.errors import ParseError
from netgen.graph import EMPTY, Fields, Graph, Layer
from netgen.schema import ENUMS, FIELDS, Field
from netgen.wire import FIXED32, FIXED64, LENGTH, VARINT, Bytes, MalformedError, entries, head, mapped, varint

if TYPE_CHECKING:
    from netgen.upgrade.common import Remarks

_WIRES = {"float": FIXED32, "double": FIXED64, "string": LENGTH, "bytes": LENGTH, "message": LENGTH}

# Where layers and their weights lie
_INNER = {"NetParameter": ("layer", "layers"), "V1LayerParameter": ("layer",)}

# Numbers that forks give to other messages, by the names that they have here (BVLC's and MobileNet-YOLO's)
_CLASHING = ("embed_param", "parameter_param", "swish_param", "clip_param", "reorg_param", "upsample_param")


def read_architecture(path: str | os.PathLike[str]) -> Graph:
    """The network in a ``.caffemodel``, its weights left out; V0 and V1 layers become what Caffe makes of them.

    ``notes`` tells of what was written by a fork with other fields. Raises ParseError, and UsageError when the file
    cannot be read.
    """
    from netgen.upgrade import UpgradeError, upgrade
    from netgen.upgrade.common import Remarks

    name = os.fspath(path)
    remarks = Remarks()
    graph = _graph(_architecture(name), name, remarks)
    if not len(graph.layers) and "layers" not in graph.params:
        raise ParseError(name, 0, 0, "there are no layers in it; load the .prototxt of the network")
    if "layers" in graph.params:
        try:
            graph = upgrade(graph, keep_inputs=True)
        except UpgradeError as error:
            raise ParseError(name, 0, 0, str(error)) from None
    layers = [_own_fields(layer, remarks) for layer in graph.layers]
    notes = (f"{name}: {note}" for note in (*graph.notes, *remarks.texts()))
    return Graph(graph.name, layers, graph.params, notes)


def _architecture(name: str) -> bytes:
    """The NetParameter in a file without its blobs."""
    try:
        with mapped(name) as data:
            return _without_blobs(data, 0, len(data), "NetParameter")
    except MalformedError as error:
        raise ParseError(name, 0, 0, f"this is no .caffemodel, or a part of one: {error}") from None


def _without_blobs(data: Bytes, start: int, end: int, message: str) -> bytes:
    """A message's bytes without those of the weights in it."""
    rows = FIELDS[message]
    blobs = rows["blobs"][0] if "blobs" in rows else 0
    inner = {rows[name][0]: rows[name][3] or "" for name in _INNER.get(message, ())}
    parts = []
    for entry in entries(data, start, end):
        if entry.wire == LENGTH and entry.number in inner:
            content = _without_blobs(data, entry.content, entry.end, inner[entry.number])
            parts += [head(entry.number, len(content)), content]
        elif entry.number != blobs:
            parts.append(data[entry.start : entry.end])
    return b"".join(parts)


def _graph(data: bytes, name: str, remarks: Remarks) -> Graph:
    from google.protobuf.message import DecodeError

    from netgen.message import from_message
    from netgen.proto import caffe_pb2

    try:
        data = _without_foreign(data, caffe_pb2, remarks)
        graph = from_message(caffe_pb2.NetParameter.FromString(data))
        _remark_unknown(data, "NetParameter", "net", "", remarks)
        return _decoded(graph)
    except (DecodeError, UnicodeDecodeError, MalformedError):
        raise ParseError(name, 0, 0, f"{_culprit(data, caffe_pb2)}; load the .prototxt of the network") from None


def _decoded(graph: Graph) -> Graph:
    """The network with every string a string: protobuf gives one that is no UTF-8 as bytes, or not at all."""

    def text(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        if isinstance(value, tuple):
            return tuple(map(text, value))
        return Fields({key: text(each) for key, each in value.items()}) if isinstance(value, Fields) else value

    layers = [Layer(*map(text, (each.name, each.type, each.bottoms, each.tops, each.params))) for each in graph.layers]
    return Graph(text(graph.name), layers, text(graph.params))


def _without_foreign(data: bytes, messages: Any, remarks: Remarks) -> bytes:
    """The network without fields of clashing numbers that cannot be what the schema has there (Intel's string 149)."""
    parts = []
    for entry in entries(data, 0, len(data)):
        piece = data[entry.start : entry.end]
        if entry.number == FIELDS["NetParameter"]["layer"][0] and entry.wire == LENGTH:
            content = data[entry.content : entry.end]
            kept = []
            for inner in entries(content, 0, len(content)):
                field = content[inner.start : inner.end]
                name = _by_number("LayerParameter").get(inner.number, ("",))[0]
                if name in _CLASHING and not _is_readable(messages.LayerParameter, field):
                    remarks.add(_layer_named(content, "LayerParameter"), _foreign(name))
                else:
                    kept.append(field)
            content = b"".join(kept)
            piece = head(entry.number, len(content)) + content
        parts.append(piece)
    return b"".join(parts)


def _culprit(data: bytes, messages: Any) -> str:
    """Which field of which layer is not what its number says, in a message that protobuf refuses."""
    for entry in entries(data, 0, len(data)):
        row = _by_number("NetParameter").get(entry.number)
        if row is None or row[0] not in _INNER["NetParameter"]:
            continue
        of = row[1][3] or ""
        content = data[entry.content : entry.end]
        for inner in entries(content, 0, len(content)):
            if not _is_readable(getattr(messages, of), content[inner.start : inner.end]):
                field = _by_number(of).get(inner.number, (str(inner.number),))[0]
                return f"{_layer_named(content, of)}: field number {inner.number} does not hold a {field}"
    return "the message breaks protobuf's rules"


def _is_readable(message: Any, data: bytes) -> bool:
    from google.protobuf.message import DecodeError

    try:
        str(message.FromString(data))
    except (DecodeError, UnicodeDecodeError):
        return False
    return True


def _layer_named(data: bytes, message: str) -> str:
    for entry in entries(data, 0, len(data)):
        if entry.number == FIELDS[message]["name"][0] and entry.wire == LENGTH:
            return f"layer {data[entry.content : entry.end].decode('utf-8', 'replace')!r}"
    return "a layer without a name"


@cache
def _by_number(message: str) -> dict[int, tuple[str, Field]]:
    return {row[0]: (name, row) for name, row in FIELDS[message].items()}


def _remark_unknown(data: bytes, message: str, where: str, path: str, remarks: Remarks) -> None:
    """Note what the schema lacks, which protobuf lays aside in silence; recursion goes no deeper than the schema."""
    for entry in entries(data, 0, len(data)):
        content = data[entry.content : entry.end]
        name, row = _by_number(message).get(entry.number, (f"number {entry.number}", None))
        if row is None:
            remarks.add(where, f"field {path}{name} is not in the schema and is ignored")
            continue
        _, label, kind, of, _ = row
        packed = label == "repeated" and entry.wire == LENGTH
        if entry.wire != _WIRES.get(kind, VARINT) and not packed:
            remarks.add(where, f"field {path}{name} (number {entry.number}) does not hold a {kind} and is ignored")
        elif kind == "message":
            into = name in _INNER.get(message, ())
            _remark_unknown(
                content,
                of or "",
                _layer_named(content, of or "") if into and of in ("LayerParameter", "V1LayerParameter") else where,
                "" if into else f"{path}{name}.",
                remarks,
            )
        elif kind == "enum" and not packed:
            value, _ = varint(content, 0, len(content))
            if value not in ENUMS[of or ""].values():
                remarks.add(where, f"{path}{name} {value} is not in the schema and is ignored")


# What the numbers of forks mean


def _foreign(name: str) -> str:
    number = FIELDS["LayerParameter"][name][0]
    return f"field number {number} ({name}) means something else in other forks, and is ignored"


def _own_fields(layer: Layer, remarks: Remarks) -> Layer:
    """The layer without the messages that another fork's number made of something else."""
    from netgen.layers.index import TYPES

    known = TYPES.get(layer.type)
    foreign = [name for name in _CLASHING if name in layer.params and (known is None or name not in known[0])]
    for name in foreign:
        remarks.add(str(layer), _foreign(name))
    if "round_mode" in layer.params.get("pooling_param", EMPTY):
        mode = layer.params["pooling_param"]["round_mode"]
        what = f"round_mode {mode} would be ceil_mode: {'true' if mode == 'FLOOR' else 'false'} from another fork"
        remarks.add(str(layer), f"{what}, and round the other way")
    if not foreign:
        return layer
    return layer.replace(params=Fields({key: each for key, each in layer.params.items() if key not in foreign}))
