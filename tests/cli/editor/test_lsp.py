"""`lamina lsp` as an editor sees it: the real process, a real client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from tests.cli.editor.client import ROOT, Editor

DOCKERFILE = "file:///somewhere/Dockerfile"
RECIPE = "file:///somewhere/Recipe"


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    editor = Editor()
    editor.start()
    yield editor
    assert editor.stop() == 0
    assert editor.messages == []


def at(
    line: int, character: int
) -> tuple[types.TextDocumentIdentifier, types.Position]:
    return types.TextDocumentIdentifier(DOCKERFILE), types.Position(line, character)


def shown(diagnostic: types.Diagnostic) -> tuple[object, str, tuple[int, ...]]:
    start, end = diagnostic.range.start, diagnostic.range.end
    place = (start.line, start.character, end.line, end.character)
    return diagnostic.code, diagnostic.message.split("\n")[0], place


def test_all_that_is_wrong_while_typing(editor: Editor) -> None:
    found = editor.open(
        DOCKERFILE, "FROM a:1 AS Big\nCOPPY a /\nRUN --netwrok=none x\n"
    )
    assert [shown(it) for it in found] == [
        ("StageNameCasing", "Stage name 'Big' should be lowercase", (0, 9, 0, 15)),
        ("syntax", "There is no instruction COPPY.", (1, 0, 1, 5)),
        ("syntax", "RUN has no flag --netwrok.", (2, 4, 2, 18)),
    ]
    assert [it.severity for it in found] == [
        types.DiagnosticSeverity.Warning,
        types.DiagnosticSeverity.Error,
        types.DiagnosticSeverity.Error,
    ]
    assert {it.source for it in found} == {"lamina"}
    assert "Did you mean COPY?" in found[1].message
    found = editor.edit(DOCKERFILE, "", (1, 2, 1, 3))
    assert [it.code for it in found] == ["StageNameCasing", "syntax"]
    found = editor.edit(DOCKERFILE, "network", (2, 6, 2, 13))
    assert [it.code for it in found] == ["StageNameCasing"]
    assert editor.edit(DOCKERFILE, "big", (0, 12, 0, 15)) == []


def test_characters_are_counted_as_the_protocol_does(editor: Editor) -> None:
    text = 'FROM a:1\nLABEL x="\N{GRINNING FACE}\x0c\u2028" y\r\nCOPPY a /'
    found = editor.open(DOCKERFILE, text)
    assert shown(found[0])[2] == (1, 15, 1, 16)
    assert shown(found[1])[2] == (2, 0, 2, 5)
    found = editor.edit(DOCKERFILE, "=1", (1, 16, 1, 16))
    assert [shown(it)[2] for it in found] == [(2, 0, 2, 5)]
    assert editor.edit(DOCKERFILE, "COPY", (2, 0, 2, 5)) == []


def test_completion_and_hover(editor: Editor) -> None:
    editor.open(DOCKERFILE, "FROM debian AS base\nFROM b\nARG V=1\nCOPY --from=")
    client = editor.client
    params = types.CompletionParams(*at(3, 12))
    found = editor.wait(client.text_document_completion_async(params))
    assert isinstance(found, types.CompletionList)
    assert [(it.label, it.detail) for it in found.items] == [("base", "FROM debian")]
    editor.edit(DOCKERFILE, "base a b\nRUN ${V", (3, 12, 3, 12))
    params = types.CompletionParams(*at(4, 7))
    found = editor.wait(client.text_document_completion_async(params))
    assert isinstance(found, types.CompletionList)
    taken = found.items[0].text_edit
    assert isinstance(taken, types.TextEdit)
    assert (taken.new_text, taken.range.start.character) == ("V}", 6)
    hovering = types.HoverParams(*at(3, 13))
    hover = editor.wait(client.text_document_hover_async(hovering))
    assert hover is not None and isinstance(hover.contents, types.MarkupContent)
    assert "FROM debian AS base" in hover.contents.value


def test_names(editor: Editor) -> None:
    editor.open(DOCKERFILE, "FROM a AS base\nFROM b\nCOPY --from=base a b\n")
    client = editor.client
    place = types.Range(types.Position(0, 10), types.Position(0, 14))
    found = editor.wait(
        client.text_document_definition_async(types.DefinitionParams(*at(2, 13)))
    )
    assert found == types.Location(DOCKERFILE, place)
    asked = types.ReferenceParams(types.ReferenceContext(True), *at(2, 13))
    places = editor.wait(client.text_document_references_async(asked))
    assert places is not None
    assert [it.range.start.line for it in places] == [0, 2]
    renamed = types.RenameParams(*at(0, 11), "files")
    edit = editor.wait(client.text_document_rename_async(renamed))
    assert edit is not None and edit.changes is not None
    assert [it.new_text for it in edit.changes[DOCKERFILE]] == ["files", "files"]


def test_symbols_and_folds(editor: Editor) -> None:
    editor.open(DOCKERFILE, "ARG V\nFROM a AS base\nRUN <<E\nx\nE\nFROM b\n")
    client = editor.client
    named = types.TextDocumentIdentifier(DOCKERFILE)
    symbols = editor.wait(
        client.text_document_document_symbol_async(types.DocumentSymbolParams(named))
    )
    assert symbols is not None
    assert [it.name for it in symbols] == ["ARG", "base", "1"]
    folds = editor.wait(
        client.text_document_folding_range_async(types.FoldingRangeParams(named))
    )
    assert folds is not None
    assert [(it.start_line, it.end_line) for it in folds] == [(1, 4), (2, 4)]


def test_formatting(editor: Editor) -> None:
    editor.open(DOCKERFILE, "FROM a:1\nrun    x\n")
    client = editor.client
    options = types.FormattingOptions(4, True)
    asked = types.DocumentFormattingParams(
        types.TextDocumentIdentifier(DOCKERFILE), options
    )
    edits = editor.wait(client.text_document_formatting_async(asked))
    assert edits is not None and len(edits) == 1
    place = edits[0].range
    ends = (place.start.line, place.start.character, place.end.line)
    assert (
        editor.edit(DOCKERFILE, edits[0].new_text, (*ends, place.end.character)) == []
    )
    assert not editor.wait(client.text_document_formatting_async(asked))
    editor.edit(DOCKERFILE, "FRM a\n")
    assert editor.wait(client.text_document_formatting_async(asked)) is None


def test_fixes(editor: Editor) -> None:
    found = editor.open(DOCKERFILE, "FROM a:1\nCOPPY a /\n")
    asked = types.CodeActionParams(
        types.TextDocumentIdentifier(DOCKERFILE),
        found[0].range,
        types.CodeActionContext(found),
    )
    actions = editor.wait(editor.client.text_document_code_action_async(asked))
    assert actions is not None and isinstance(actions[0], types.CodeAction)
    assert actions[0].title == "Write COPY"
    assert actions[0].edit is not None and actions[0].edit.changes is not None
    edit = actions[0].edit.changes[DOCKERFILE][0]
    assert (edit.new_text, edit.range) == ("COPY", found[0].range)


TEMPLATE = """# lamina: var base:str
# lamina: var count:int = 2
FROM {{ base }}:1
{% for n in range(count) %}\r
RUN --netwrok=none echo {{ n }}
{% endfor %}
"""


def test_templates(editor: Editor) -> None:
    """Places are the template's; the buffer counts, and a missing value is no error."""
    found = editor.open(RECIPE, TEMPLATE)
    assert [shown(it) for it in found] == [
        ("syntax", "RUN has no flag --netwrok.", (4, 4, 4, 18))
    ]
    assert "in the loop of line 4: n=0" in found[0].message
    found = editor.edit(RECIPE, "{{ cont }}", (4, 24, 4, 31))
    assert shown(found[0])[2][0] == 4
    assert editor.edit(RECIPE, "FROM scratch\n") == []


def test_a_templates_file_is_included_from_its_folder(
    editor: Editor, tmp_path: Path
) -> None:
    (tmp_path / "part").write_text("COPPY a /\n")
    uri = f"file://{tmp_path}/Recipe"
    found = editor.open(uri, "FROM scratch\n{% include 'part' %}\n")
    assert shown(found[0])[2][:2] == (1, 0)
    assert "part:1:1" in found[0].message


def test_what_lamina_adds_depends_on_the_name(editor: Editor) -> None:
    text = "FROM scratch\nUNSET ENV\n"
    assert editor.open(RECIPE, text) == []
    assert [it.code for it in editor.open(DOCKERFILE, text)] == ["syntax"]


def test_shellcheck_speaks_after_the_others(editor: Editor) -> None:
    text = "FROM a:1\nRUN echo $unquoted >/x\n"
    found = editor.open(DOCKERFILE, text)
    while "SC2086" not in [it.code for it in found]:
        found = editor.diagnostics(DOCKERFILE)
    said = next(it for it in found if it.code == "SC2086")
    assert shown(said)[2] == (1, 9, 1, 18)
    assert said.code_description == types.CodeDescription(
        "https://www.shellcheck.net/wiki/SC2086"
    )
    # What it said of a script is kept.
    found = editor.edit(DOCKERFILE, "# x\n", (1, 0, 1, 0))
    assert "SC2086" in [it.code for it in found]


def test_a_file_that_is_on_no_disk(editor: Editor) -> None:
    assert editor.open("untitled:Untitled-1", "FROM a:1\n") == []


def test_a_text_that_was_closed(editor: Editor) -> None:
    editor.open(DOCKERFILE, "FRM a\n")
    editor.close(DOCKERFILE)
    found = editor.wait(editor.published.get())
    assert (found.uri, list(found.diagnostics)) == (DOCKERFILE, [])
    params = types.CompletionParams(*at(0, 0))
    assert editor.wait(editor.client.text_document_completion_async(params)) is None


def test_edits_that_arrive_quickly(editor: Editor) -> None:
    """Each key is an edit and a request; the last text is the one that is told of."""
    editor.open(DOCKERFILE, "FROM a:1\n")
    client = editor.client
    asked = []
    for place, key in enumerate("COPY --from=x:1 a /"):
        editor.type(DOCKERFILE, key, (1, place, 1, place))
        params = types.CompletionParams(*at(1, place + 1))
        asked.append(client.text_document_completion_async(params))
    for answer in asked:
        editor.wait(answer)
    assert editor.diagnostics(DOCKERFILE) == []
    assert editor.edit(DOCKERFILE, "FRM a")[0].code == "syntax"


def test_a_hostile_text(editor: Editor) -> None:
    text = "FROM a:1\nRUN <<E\n" + "echo $A\n" * 30_000
    assert editor.open(DOCKERFILE, text)
    text = "FROM a:1\n" + "RUN x\n" * 5_000 + "ENV A=" + "${A:-" * 2_000
    assert editor.open(DOCKERFILE, text)
    assert editor.edit(DOCKERFILE, "FROM a:1\n") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-32"])
def test_another_way_to_count(encoding: str) -> None:
    editor = Editor()
    capabilities = editor.start(encoding).capabilities
    assert capabilities.position_encoding == encoding
    found = editor.open(DOCKERFILE, 'FROM a:1\nLABEL "\N{GRINNING FACE}"=1 y')
    start = {"utf-8": 15, "utf-32": 12}[encoding]
    assert shown(found[0])[2] == (1, start, 1, start + 1)
    assert editor.stop() == 0


def test_values_of_the_command_line() -> None:
    editor = Editor("--set", "n=0", "--set", "other=1", "--compat", "buildkit")
    editor.start()
    text = "# lamina: var n:int\nFROM scratch\n{% if n %}COPPY a /{% endif %}\n"
    assert editor.open(RECIPE, text) == []
    found = editor.open(DOCKERFILE, "FROM scratch\nCOPY a b /c\n")
    assert [it.code for it in found] == ["CopyManyToFile"]  # and no error
    assert editor.stop() == 0


def test_the_editor_goes_away() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "lamina", "lsp", "--stdio"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")


def test_without_the_extra(tmp_path: Path) -> None:
    """It says how to install it. A module that cannot be imported is like none."""
    (tmp_path / "pygls.py").write_text("raise ImportError\n")
    process = subprocess.run(
        [sys.executable, "-m", "lamina", "lsp"],
        capture_output=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        timeout=60,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "pip install 'lamina[lsp]'" in process.stderr
