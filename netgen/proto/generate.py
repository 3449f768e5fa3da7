"""Make `caffe_pb2.py`, `schema.py` and `layers/index.py` from `caffe.proto` and the layer classes.

Run `python -m netgen.proto.generate` after a change of either; `--check` only says which files are stale.
"""

from __future__ import annotations

import argparse
import importlib
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
    )

    from netgen.layers.base import LayerType

ROOT = Path(__file__).resolve().parent.parent
PROTO_NAME = "netgen/proto/caffe.proto"
COMMAND = "python -m netgen.proto.generate"
WIDTH = 120

LABELS = {1: "optional", 2: "required", 3: "repeated"}
KINDS = {
    1: "double",
    2: "float",
    3: "int64",
    5: "int32",
    8: "bool",
    9: "string",
    11: "message",
    12: "bytes",
    13: "uint32",
    14: "enum",
}

Default = int | float | bool | str | bytes | None


def compile_proto() -> FileDescriptorProto:
    """The descriptor of `caffe.proto`, without what differs between releases of protoc."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "caffe.desc"
        arguments = ["protoc", f"-I{ROOT.parent}", f"--descriptor_set_out={out}", str(ROOT / "proto" / "caffe.proto")]
        if protoc.main(arguments):
            raise SystemExit("caffe.proto does not compile")
        file = FileDescriptorSet.FromString(out.read_bytes()).file[0]
    assert file.name == PROTO_NAME, file.name
    file.ClearField("source_code_info")
    for _, message in messages(file):
        for field in message.field:
            field.ClearField("json_name")
    return file


def messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """All messages with their full names less the package, an outer one before its inner ones."""
    stack = [(message.name, message) for message in reversed(file.message_type)]
    while stack:
        name, message = stack.pop()
        yield name, message
        stack += [(f"{name}.{inner.name}", inner) for inner in reversed(message.nested_type)]


def enums(file: FileDescriptorProto) -> Iterator[tuple[str, EnumDescriptorProto]]:
    """All enums with their full names less the package."""
    for enum in file.enum_type:
        yield enum.name, enum
    for name, message in messages(file):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def shortest_float32(value: float) -> float:
    """The double of the shortest decimal that reads back to the float32 nearest to `value`."""
    pack = struct.Struct("<f").pack
    wanted = pack(value)
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if pack(short) == wanted:
            return short
    raise AssertionError(value)


def default_of(field: FieldDescriptorProto) -> Default:
    """The declared default as a Python value (of an enum the value's name), None where none is declared."""
    if not field.HasField("default_value"):
        return None
    text, kind = field.default_value, KINDS[field.type]
    if kind == "float":
        return shortest_float32(float(text))
    if kind == "double":
        return float(text)
    if kind == "bool":
        return text == "true"
    if kind in ("int32", "int64", "uint32"):
        return int(text)
    if kind == "bytes":
        raise NotImplementedError(f"default of bytes field {field.name}")
    return text


def literal(value: object) -> str:
    """A Python literal as the formatter would write it: strings in double quotes, tuples spaced."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value).replace("e+", "e")


def row_line(name: str, row: tuple[object, ...], indent: int) -> str:
    """One entry of a dict literal, over several lines where one is too short."""
    margin = " " * indent
    line = f"{margin}{literal(name)}: {literal(row)},"
    if len(line) <= WIDTH:
        return line
    values = [f"{margin}    {literal(value)}," for value in row]
    return "\n".join([f"{margin}{literal(name)}: (", *values, f"{margin}),"])


def header(doc: str) -> list[str]:
    """The first lines of a generated module."""
    return [f'"""{doc}"""', "", f"# Made by `{COMMAND}`. Do not edit.", ""]


def schema_text(file: FileDescriptorProto) -> str:
    """The text of `schema.py`."""
    lines = header("The messages, fields, kinds, defaults and enums of `proto/caffe.proto`, as plain constants.")
    lines += [
        "# number, label, kind, full name of the message or enum, declared default (of an enum the value's name)",
        "Field = tuple[int, str, str, str | None, int | float | str | bytes | None]",
        "",
        "FIELDS: dict[str, dict[str, Field]] = {",
    ]
    for name, message in sorted(messages(file)):
        lines.append(f"    {literal(name)}: {{")
        for field in sorted(message.field, key=lambda field: field.number):
            of = field.type_name.removeprefix(f".{file.package}.") or None
            row = (field.number, LABELS[field.label], KINDS[field.type], of, default_of(field))
            lines.append(row_line(field.name, row, 8))
        lines.append("    },")
    lines += ["}", "", "ENUMS: dict[str, dict[str, int]] = {"]
    for name, enum in sorted(enums(file)):
        lines.append(f"    {literal(name)}: {{")
        lines += [f"        {literal(value.name)}: {value.number}," for value in enum.value]
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


def bytes_lines(data: bytes, width: int) -> Iterator[str]:
    """Bytes literals in double quotes, none longer than `width`, that follow each other to `data`."""
    line = ""
    for byte in data:
        char = chr(byte)
        if char in '"\\':
            token = "\\" + char
        else:
            token = char if 32 <= byte < 127 else f"\\x{byte:02x}"
        if len(line) + len(token) > width - 3:
            yield f'b"{line}"'
            line = ""
        line += token
    yield f'b"{line}"'


def pb2_text(file: FileDescriptorProto) -> str:
    """The text of `caffe_pb2.py`: the descriptor in a pool of its own, and a class per message."""
    lines = header("Message classes of `caffe.proto`, in a descriptor pool of their own.")
    lines += [
        "from typing import Any",
        "",
        "from google.protobuf import descriptor_pool, message_factory",
        "from google.protobuf.internal import enum_type_wrapper",
        "",
        "# Not protoc's own code: that is tied to one release of protobuf, and the default pool may hold a pycaffe's.",
        "_DESCRIPTOR = (",
        *(f"    {line}" for line in bytes_lines(file.SerializeToString(deterministic=True), WIDTH - 4)),
        ")",
        "",
        "POOL = descriptor_pool.DescriptorPool()",
        "POOL.AddSerializedFile(_DESCRIPTOR)",
        f"DESCRIPTOR = POOL.FindFileByName({literal(file.name)})",
        "",
        "",
        "def _message(name: str) -> Any:",
        "    return message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name[name])",
        "",
        "",
    ]
    for enum in file.enum_type:
        lookup = f"DESCRIPTOR.enum_types_by_name[{literal(enum.name)}]"
        lines.append(f"{enum.name}: Any = enum_type_wrapper.EnumTypeWrapper({lookup})")
    lines += [f"{message.name} = _message({literal(message.name)})" for message in file.message_type]
    return "\n".join([*lines, ""])


def layer_types() -> Iterator[tuple[str, type[LayerType]]]:
    """Family and class of every layer type in `layers/`."""
    from netgen.layers.base import LayerType

    for path in sorted((ROOT / "layers").glob("[a-z]*.py")):
        if path.stem in ("base", "index"):
            continue
        module = importlib.import_module(f"netgen.layers.{path.stem}")
        for name, kind in vars(module).items():
            own = isinstance(kind, type) and issubclass(kind, LayerType) and kind.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield path.stem, kind


def index_text() -> str:
    """The text of `layers/index.py`, from the classes of all families."""
    from netgen.layers.base import verb_of

    rows: dict[str, tuple[object, ...]] = {}
    verbs: dict[str, str] = {}
    for family, kind in layer_types():
        name = kind.__name__
        verb = kind.verb or verb_of(name)
        if name in rows or verb in verbs:
            raise SystemExit(f"layer type {name}: another has this name or the verb {verb}")
        rows[name] = kind.row(family)
        verbs[verb] = name
    lines = header("The layer types as plain constants, so that no family is imported before one of its types is used.")
    lines += [
        "# messages, in_place, required, bottoms, tops, same_count, weights, module: see `base.LayerType`",
        "Names = tuple[str, ...]",
        "Count = tuple[int, int | None]",
        "TypeRow = tuple[Names, bool, Names, Count, Count, bool, int, str]",
        "",
        "TYPES: dict[str, TypeRow] = {",
        *(row_line(name, row, 4) for name, row in sorted(rows.items())),
        "}",
        "",
        "VERBS: dict[str, str] = {",
        *(f"    {literal(verb)}: {literal(name)}," for verb, name in sorted(verbs.items())),
        "}",
        "",
    ]
    return "\n".join(lines)


def outputs() -> dict[Path, str]:
    """Path and text of every generated file."""
    file = compile_proto()
    return {
        ROOT / "proto" / "caffe_pb2.py": pb2_text(file),
        ROOT / "schema.py": schema_text(file),
        ROOT / "layers" / "index.py": index_text(),
    }


def stale(texts: dict[Path, str]) -> list[Path]:
    """Those of the generated files that are missing or differ from their text."""
    return [path for path, text in texts.items() if not path.exists() or path.read_bytes() != text.encode()]


def main(arguments: list[str] | None = None) -> int:
    """The command line: writes the stale files, or with `--check` names them and returns 1."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that are stale")
    check = parser.parse_args(arguments).check
    texts = outputs()
    old = stale(texts)
    for path in old:
        print(f"stale: {path.relative_to(ROOT.parent)}" if check else f"wrote {path.relative_to(ROOT.parent)}")
        if not check:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
