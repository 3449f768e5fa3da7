"""Graph to protobuf message and back; the only module that imports google.protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgen.errors import NetgenError
from netgen.graph import Fields, Graph, Layer, Literal
from netgen.proto import caffe_pb2
from netgen.prototxt.reader import make_layer
from netgen.scalars import shortest_float32
from netgen.schema import ENUMS, FIELDS


def to_message(graph: Graph) -> Any:
    """The network as a NetParameter of netgen's schema (``netgen.proto.caffe_pb2``).

    Raises NetgenError for a field that the schema lacks: a message has no place for it.
    """
    message = caffe_pb2.NetParameter()
    if graph.name:
        message.name = graph.name
    _fill(message, "NetParameter", graph.params, "net")
    for layer in graph.layers:
        _fill(message.layer.add(), "LayerParameter", _layer_fields(layer), str(layer))
    return message


def from_message(message: Any) -> Graph:
    """The network that a NetParameter holds; a copy, with nothing of the message in it."""
    params = dict(_fields(message, "NetParameter"))
    layers = [make_layer(fields) for fields in params.pop("layer", ())]
    name = params.pop("name") if params.get("name") else ""
    return Graph(name, layers, Fields(params))


def _layer_fields(layer: Layer) -> dict[str, Any]:
    names = {"name": layer.name, "type": layer.type, "bottom": layer.bottoms, "top": layer.tops}
    return {**{key: value for key, value in names.items() if value}, **layer.params}


def _fill(message: Any, message_name: str, fields: Mapping[str, Any], where: str) -> None:
    rows = FIELDS[message_name]
    for name, value in fields.items():
        row = rows.get(name)
        if row is None or isinstance(value, Literal):
            raise NetgenError(f"{where}: {name!r} is not in the schema, so a message cannot hold it; write prototxt")
        _, label, kind, of, _ = row
        if label == "repeated":
            into = getattr(message, name)
            if kind == "message":
                for each in value:
                    _fill(into.add(), of or "", each, where)
            else:
                into.extend([_plain(each, kind, of) for each in value])
        elif kind == "message":
            inner = getattr(message, name)
            inner.SetInParent()
            _fill(inner, of or "", value, where)
        else:
            setattr(message, name, _plain(value, kind, of))


def _plain(value: Any, kind: str, of: str | None) -> Any:
    if kind == "enum":
        return ENUMS[of or ""][value]
    if kind == "string" and not value.isascii():
        # Bytes that are no UTF-8 are surrogates in the graph; a message's strings take only characters.
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def _fields(message: Any, message_name: str) -> Fields:
    rows = FIELDS[message_name]
    fields = {}
    for descriptor, value in message.ListFields():
        _, label, kind, of, _ = rows[descriptor.name]
        fields[descriptor.name] = (
            tuple(_value(each, kind, of) for each in value) if label == "repeated" else _value(value, kind, of)
        )
    return Fields(fields)


def _value(value: Any, kind: str, of: str | None) -> Any:
    if kind == "message":
        return _fields(value, of or "")
    if kind == "float":
        return shortest_float32(value)
    if kind == "string" and isinstance(value, bytes):
        # What protobuf hands out for a string that is no UTF-8.
        return value.decode("utf-8", "surrogateescape")
    if kind == "enum":
        return next(name for name, number in ENUMS[of or ""].items() if number == value)
    return value
