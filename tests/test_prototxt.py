"""Reading and writing prototxt: the two readers, the writer, and protobuf's own as the judge."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import netgen
from netgen.graph import Fields, Graph, Layer, Literal
from netgen.message import from_message, to_message
from netgen.proto import caffe_pb2
from netgen.prototxt import parse, write
from netgen.prototxt.fast import read_fast
from netgen.prototxt.reader import Reader
from netgen.scalars import INTEGER_RANGES, shortest_float32
from netgen.schema import ENUMS, FIELDS

CONV = 'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 8 kernel_size: 3 } }'


def conv(**changed: str) -> str:
    text = CONV
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    return text


# Spellings, each of which means the plain one


@pytest.mark.parametrize(
    "text",
    [
        CONV,
        CONV.replace(": ", ":"),
        CONV.replace(" ", "\n"),
        CONV.replace(" ", "\r\n\t"),
        CONV.replace('"', "'"),
        CONV.replace("{", "<").replace("}", ">"),
        CONV.replace(" {", ": {"),
        CONV.replace("num_output: 8", "num_output: 0x8, kernel_size: []").replace("kernel_size: 3", "kernel_size: [3]"),
        CONV.replace("num_output: 8", "num_output: 010;"),
        CONV.replace('"Convolution"', "\"Convo\" 'lution'"),
        CONV.replace('"Convolution"', r'"Con\x76ol\165tion"'),
        "# a comment\n" + CONV.replace("{", "{ # another {\n") + "# } last",
        CONV.replace("layer {", "layer: [{").rstrip()[:-1] + "}]",
        "\ufeff" + CONV,
    ],
)
def test_spellings(text: str) -> None:
    assert netgen.parse_prototxt(text) == netgen.parse_prototxt(CONV)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".5", 0.5), ("1.", 1.0), ("1.5f", 1.5), ("25.E-2", 0.25), ("-3", -3.0), ("- 3", -3.0), ("1e-3", 0.001), ("inf", float("inf")),
        ("-Infinity", float("-inf")), ("0.999000012875", 0.999), ("1e99", float("inf")), ("0x10", 16.0),
    ],
)  # fmt: skip
def test_floats(text: str, value: float) -> None:
    net = parse(f"layer {{ power_param {{ shift: {text} }} }}")
    assert net.layers[0].params["power_param"]["shift"] == value


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("t", True), ("True", True), ("1", True), ("0", False), ("f", False)]
)
def test_bools(text: str, value: bool) -> None:
    assert parse(f"layer {{ dropout_param {{ }} relu_param {{ }} scale_param {{ bias_term: {text} }} }}").layers[
        0
    ].params["scale_param"] == {"bias_term": value}


def test_enums_by_number() -> None:
    assert parse("layer { pooling_param { pool: 1 } }").layers[0].params["pooling_param"] == {"pool": "AVE"}


def test_bytes_that_are_no_utf8_are_kept() -> None:
    text = b'name: "caf\xe9" layer { name: "\xff\xfe" }'.decode("utf-8", "surrogateescape")
    net = parse(text)
    assert (net.name, net.layers[0].name) == ("caf\udce9", "\udcff\udcfe")
    assert r'name: "caf\351"' in write(net)
    assert parse(write(net)) == net


def test_everything_is_kept() -> None:
    text = """
        name: "n" input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8 force_backward: true state { phase: TRAIN }
        layer { name: "a" type: "A" include { phase: TRAIN } } layer { name: "a" type: "A" include { phase: TEST } }
        layer { bottom: "nobody" } layer { name: "" type: "Split" } layer { }
    """
    net = parse(text)
    assert net.params == {
        "input": ("x",),
        "input_dim": (1, 3, 8, 8),
        "force_backward": True,
        "state": {"phase": "TRAIN"},
    }
    assert [layer.name for layer in net.layers] == ["a", "a", "", "", ""]
    assert net.layers[3].params == {"name": ""}
    assert parse(write(net)) == net
    assert to_message(net) == text_format.Parse(text, caffe_pb2.NetParameter())


def test_unknown_fields_and_values_are_kept_and_told() -> None:
    text = """layer {
  name: "p" type: "Pooling"
  pooling_param { pool: AVG kernel: 3 new_block { a: -1.50 b: "x" "y" c: FAST c: SLOW d: [] e { } } }
  meanfield_param { rates: [1, 2] }
}
top_secret: 7
"""
    net = netgen.parse_prototxt(text, "some.prototxt")
    assert net.notes == (
        "some.prototxt:3:19: layer 'p' (Pooling): unknown value 'AVG' of 'pooling_param.pool' is kept as it is; "
        "did you mean 'AVE'?",
        "some.prototxt:3:29: layer 'p' (Pooling): unknown field 'pooling_param.kernel' is kept as it is; "
        "did you mean 'kernel_size'?",
        "some.prototxt:3:39: layer 'p' (Pooling): unknown field 'pooling_param.new_block' is kept as it is",
        "some.prototxt:4:3: layer 'p' (Pooling): unknown field 'meanfield_param' is kept as it is",
        "some.prototxt:6:1: unknown field 'top_secret' is kept as it is",
    )
    block = net.layers[0].params["pooling_param"]["new_block"]
    assert block == {"a": "-1.50", "b": '"x" "y"', "c": ("FAST", "SLOW"), "d": (), "e": {}}
    assert isinstance(block["a"], Literal)
    written = net.to_prototxt()
    assert (
        '    new_block {\n      a: -1.50\n      b: "x" "y"\n      c: FAST\n      c: SLOW\n      d: []\n      e {\n      }\n    }\n'
        in written
    )
    assert netgen.parse_prototxt(written) == net
    with pytest.raises(
        netgen.NetgenError, match="net: 'top_secret' is not in the schema, so a message cannot hold it; write prototxt"
    ):
        to_message(net)


# Broken text: line, column, what was expected, what was found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('layer {\n  name: "a"\n', "x:3:1: expected '}' before the end of the file, for 'layer' opened at line 1"),
        ('layer {\n  name: "a"', "x:2:12: expected '}' before the end of the file, for 'layer' opened at line 1"),
        ("}", "x:1:1: '}' closes nothing; delete it, or look for a brace missing above"),
        ("layer { name: 'a' >", "x:1:19: expected a field name or '}', got '>'"),
        ("<<<<<<< HEAD\nlayer { }", "x:1:1: this is a git conflict marker; choose one side of the conflict and delete the markers"),
        ("layer { }\n=======\n", "x:2:1: this is a git conflict marker; choose one side of the conflict and delete the markers"),
        (conv(**{"8": "${N}"}), "x:1:92: ${N} is a placeholder that was never filled in; put the value in its place"),
        (conv(**{"8": "cls6x"}), "x:1:92: num_output must be a whole number of 0 or more, got cls6x"),
        (conv(**{"8": "-1"}), "x:1:92: num_output must be a whole number of 0 or more, got -1"),
        (conv(**{"8": "2.5"}), "x:1:92: num_output must be a whole number of 0 or more, got 2.5"),
        (conv(**{"8": "08"}), "x:1:92: num_output must be a whole number of 0 or more, got 08"),
        (conv(**{"8": "4294967296"}), "x:1:92: num_output must lie in 0..4294967295 (uint32), got 4294967296"),
        (conv(**{"8": "1" * 5000}), "x:1:92: num_output must lie in 0..4294967295 (uint32), got " + "1" * 37 + "..."),
        (conv(**{"8": '"8"'}), "x:1:92: num_output must be a whole number of 0 or more, got \"8\""),
        (conv(**{"8": "8 9"}), "x:1:94: expected a field name or '}', got '9'"),
        (conv(**{": 8": " 8"}), "x:1:91: expected ':' after 'num_output', got '8'"),
        (conv(**{": 8": " = 8"}), "x:1:91: expected ':', got '='; write 'field: value'"),
        (conv(**{": 8": ":"}), "x:1:92: num_output must be a whole number of 0 or more, got kernel_size"),
        (conv(**{": 8": " { }"}), "x:1:80: num_output takes a value (uint32), not a block in { }"),
        (conv(**{"8": "[8]"}), "x:1:92: num_output takes one value, not a list"),
        (conv(**{"3 }": "[3 3] }"}), "x:1:110: expected ',' or ']' in the list of kernel_size, got '3'"),
        (conv(**{'"Convolution"': "Convolution"}), 'x:1:25: type must be a quoted string, got Convolution; write "Convolution"'),
        ('layer { type: "Convolution\n}', 'x:1:15: the string that opens here with " is not closed on its line'),
        (conv(**{'"c" type': r'"\q" type'}), r"x:1:16: \q in this string is no escape sequence"),
        (conv(**{'type: "Convolution"': 'name: "d"'}), "x:1:19: name is given twice, and takes one value; keep one of them"),
        (conv(**{"convolution_param {": "convolution_param"}), "x:1:78: expected ':' or '{' after 'convolution_param', got 'num_output'"),
        (conv(**{"convolution_param {": "convolution_param: 3"}), "x:1:79: expected '{' after 'convolution_param', got '3'"),
        ("layer { pooling_param { pool: 17 } }",
         "x:1:31: pool must be one of MAX, AVE, STOCHASTIC, DEF, DEF_ALL, DEF_ALL2, DEF_ALL3, DEF_ALL4, LOWRES, got 17"),
        ("layer { relu_param { engine: 'CAFFE' } }", "x:1:30: engine is no string (enum), got 'CAFFE'; leave out the quotes"),
        ("layer { scale_param { bias_term: yes } }", "x:1:34: bias_term must be true or false, got yes"),
        ("layer { power_param { shift: one } }", "x:1:30: shift must be a number, got one"),
        ("layer { clip_param { min: 0 } }", "x:1:9: clip_param lacks its required field 'max'"),
        ("layer [ ]", "x:1:7: expected ':' or '{' after 'layer', got '['"),
        ("[a.b] { }", "x:1:1: expected a field name, got '['; protobuf extensions are not read"),
        ("/* c */ layer { }", "x:1:1: expected a field name, got '/'; comments begin with '#'"),
        ('{ "layer": [] }', "x:1:1: expected a field name, got '{'"),
        ("layer { } % layer", "x:1:11: expected a field name or a value, got '%'"),
        ("name: ", "x:1:7: expected a value for 'name', got the end of the file"),
        ("layer: [{ }, 3]", "x:1:14: expected '{' in the list of layer, got '3'"),
        ("layer: [{ } { }]", "x:1:13: expected ',' or ']' in the list of layer, got '{'"),
    ],
)  # fmt: skip
def test_broken_text(text: str, error: str) -> None:
    with pytest.raises(netgen.ParseError) as raised:
        netgen.parse_prototxt(text, "x")
    assert str(raised.value) == error
    line, column = (int(part) for part in error.split(":")[1:3])
    assert (raised.value.line, raised.value.column) == (line, column)


def test_nesting_a_hundred_deep_is_read_and_what_is_deeper_refused() -> None:
    def nested(blocks: int) -> str:
        return "layer { " + "a { " * (blocks - 1) + "} " * blocks

    net = netgen.parse_prototxt(nested(100))
    assert netgen.parse_prototxt(net.to_prototxt()) == net
    for text in (nested(101), nested(10_000), "layer { " + "a { " * 10_000):
        with pytest.raises(netgen.ParseError) as error:
            netgen.parse_prototxt(text)
        assert str(error.value) == "<text>:1:405: blocks may lie 100 deep in each other at most"


def test_a_name_cannot_inject_a_field() -> None:
    name = '"\n}\nlayer { name: "x'
    net = netgen.Net(name).input(1, 3, 8, 8, name=name)
    text = net.to_prototxt()
    assert text.count("\nlayer {") == 1
    assert netgen.parse_prototxt(text) == net


def test_not_a_string() -> None:
    with pytest.raises(netgen.UsageError, match="<text>: a prototxt must be given as a string, got bytes"):
        netgen.parse_prototxt(b"layer { }")  # type: ignore[arg-type]


# Properties, for any network of the schema


def scalars(kind: str, of: str | None) -> st.SearchStrategy[Any]:
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return st.integers(low, high)
    if kind == "float":
        return st.floats(width=32, allow_nan=False).map(shortest_float32)
    if kind == "double":
        return st.floats(allow_nan=False)
    if kind == "bool":
        return st.booleans()
    if kind == "enum":
        # Two names of one number read back from a message as the first.
        values = ENUMS[of or ""]
        return st.sampled_from(sorted({number: name for name, number in reversed(values.items())}.values()))
    if kind == "bytes":
        return st.binary(max_size=8)
    return st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def messages(draw: st.DrawFn, message: str, depth: int = 0) -> Fields:
    skip = (
        {"name", "type", "bottom", "top", "layer", "layers"} if message in ("LayerParameter", "NetParameter") else set()
    )
    rows = {name: row for name, row in FIELDS[message].items() if name not in skip}
    required = [name for name, row in rows.items() if row[1] == "required"]
    chosen = draw(st.lists(st.sampled_from(sorted(rows)), max_size=3, unique=True)) if rows else []
    fields = {}
    for name in {*required, *chosen}:
        _, label, kind, of, _ = rows[name]
        if kind == "message" and depth > 3:
            continue
        one = messages(of or "", depth + 1) if kind == "message" else scalars(kind, of)
        fields[name] = tuple(draw(st.lists(one, min_size=1, max_size=3))) if label == "repeated" else draw(one)
    return Fields(fields)


names = st.text(st.characters(codec="utf-8"), max_size=6)
layers = st.builds(
    lambda name, type_name, bottoms, tops, params: Layer(name, type_name, tuple(bottoms), tuple(tops), params),
    names, names, st.lists(names, max_size=2), st.lists(names, max_size=2), messages("LayerParameter"),
)  # fmt: skip
graphs = st.builds(Graph, names, st.lists(layers, max_size=3), messages("NetParameter"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs)
def test_what_is_written_is_read_back(graph: Graph) -> None:
    text = write(graph)
    assert parse(text) == graph
    message = to_message(graph)
    assert from_message(message) == graph
    assert from_message(caffe_pb2.NetParameter.FromString(message.SerializeToString())) == graph
    assert text_format.Parse(text, caffe_pb2.NetParameter()) == message


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs)
def test_the_two_readers_agree(graph: Graph) -> None:
    for text in (write(graph), text_format.MessageToString(to_message(graph), as_one_line=True)):
        reader = Reader(text, "x", "NetParameter")
        fields = reader.read()
        assert not reader.unknown
        fast = read_fast(text, "NetParameter")
        assert fast is None or fast == (fields, reader.layers)


def test_the_fast_reader_takes_plain_files() -> None:
    assert read_fast(netgen.build("peleenet").to_prototxt(), "NetParameter") is not None


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("layer{}<>[]:;,\"'#\\ \nname1.5-ex_param\x00é"), max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        net = netgen.parse_prototxt(text)
    except netgen.ParseError:
        return
    assert netgen.parse_prototxt(net.to_prototxt()) == net


# Templates


def test_a_folder_of_templates_goes_first(tmp_path: Any) -> None:
    (tmp_path / "net.prototxt.j2").write_text(
        '{% extends "netgen/net.prototxt.j2" %}{% block header %}# {{ net.name | quote }}\n{{ super() }}{% endblock %}',
        encoding="utf-8",
    )
    net = netgen.Net("n").input(1, 3, 8, 8)
    assert net.to_prototxt(tmp_path) == f'# "n"\n{net.to_prototxt()}'


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("a\n{% for %}", r"net.prototxt.j2:2: "),
        ("\n{{ nothing }}", r"net.prototxt.j2:2: 'nothing' is undefined"),
        ("\n\n{{ 1 / 0 }}", r"net.prototxt.j2:3: division by zero"),
        ('{% extends "nope.j2" %}', "template 'net.prototxt.j2': there is no template 'nope.j2'"),
    ],
)
def test_a_mistake_in_a_template(template: str, error: str, tmp_path: Any) -> None:
    (tmp_path / "net.prototxt.j2").write_text(template, encoding="utf-8")
    with pytest.raises(netgen.NetgenError, match=error):
        netgen.Net("n").input(1, 3, 8, 8).to_prototxt(tmp_path)


def test_a_folder_of_templates_that_changes_nothing(tmp_path: Any) -> None:
    (tmp_path / "net.txt.j2").write_text("")
    with pytest.raises(netgen.UsageError, match=r"this folder has no net.prototxt.j2, so it changes nothing"):
        netgen.Net("n").to_prototxt(tmp_path)
    with pytest.raises(netgen.UsageError, match="this folder of templates is a file"):
        netgen.Net("n").to_prototxt(tmp_path / "net.txt.j2")
    (tmp_path / "net.prototxt.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(netgen.NetgenError, match="can't decode byte 0xff"):
        netgen.Net("n").to_prototxt(tmp_path)


def test_a_folder_of_templates_that_is_not_there() -> None:
    with pytest.raises(netgen.UsageError, match="nowhere: this folder of templates does not exist"):
        netgen.Net("n").to_prototxt("nowhere")
