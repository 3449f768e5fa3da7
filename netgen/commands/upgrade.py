"""``netgen upgrade``: an old network or solver file in today's format."""

from __future__ import annotations

from netgen.commands.common import emit, parser_for, say

_NOTES = 20


def run(words: list[str]) -> int:
    """Write a V0, V1 or V2 network or a solver file as Caffe's own upgrade tools do."""
    description = (
        "Write an old network in today's format: V0 and V1 layers become 'layer', padding layers the pad of those "
        "after them,\n'input' fields an Input layer. Of a solver file, solver_type becomes type. Comments are lost."
    )
    parser = parser_for("upgrade FILE", description, command=True)
    parser.add_argument("file", metavar="FILE", help="a .prototxt of any age, a solver file or a .caffemodel")
    parser.add_argument("-o", "--output", metavar="NEW", help="write to a file instead of standard output")
    options = parser.parse_args(words)
    text, notes = _upgraded(options.file)
    for note in notes[:_NOTES]:
        say(f"note: {note}")
    if len(notes) > _NOTES:
        say(f"note: {options.file}: {len(notes) - _NOTES} more notes like these")
    emit(text, options.output)
    return 0


def _upgraded(name: str) -> tuple[str, tuple[str, ...]]:
    """The new text of a file, and what is to be told of it."""
    from netgen.files import text_of
    from netgen.loading import is_solver, upgraded
    from netgen.prototxt import parse, write

    if name.endswith(".caffemodel"):
        from netgen.architecture import read_architecture

        graph = read_architecture(name)
        return write(graph), graph.notes
    text = text_of(name)
    graph = parse(text, name)
    if is_solver(graph):
        from netgen.prototxt.writer import message_lines
        from netgen.solver import parse_solver

        solver = parse_solver(text, name)
        return "".join(f"{line}\n" for line in message_lines("SolverParameter", solver.fields)), solver.notes
    graph = upgraded(graph, text, name, keep_inputs=False)
    return write(graph), graph.notes
