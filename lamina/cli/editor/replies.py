"""From what lang/assist and the checks say to the values of the Language Server
Protocol."""

from __future__ import annotations

from lsprotocol import types

from lamina.cli.editor.diagnosis import documentation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.cli.editor.buffers import Buffer
    from lamina.cli.editor.diagnosis import Problem
    from lamina.lang.assist.fixes import Fix
    from lamina.lang.assist.offer import Completion
    from lamina.lang.assist.symbols import Symbol
    from lamina.lang.source import Span

SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
KINDS = {
    "instruction": types.CompletionItemKind.Keyword,
    "flag": types.CompletionItemKind.Property,
    "field": types.CompletionItemKind.Field,
    "value": types.CompletionItemKind.EnumMember,
    "stage": types.CompletionItemKind.Module,
    "variable": types.CompletionItemKind.Variable,
    "directive": types.CompletionItemKind.Keyword,
    "rule": types.CompletionItemKind.Value,
}


def range_of(buffer: Buffer, start: int, end: int) -> types.Range:
    first = types.Position(*buffer.positions.position(start))
    return types.Range(first, types.Position(*buffer.positions.position(end)))


def range_at(buffer: Buffer, place: Span) -> types.Range:
    return range_of(buffer, place.start, place.end)


def diagnostic(buffer: Buffer, problem: Problem) -> types.Diagnostic:
    """A problem as editors show it. An empty place is widened to one character."""
    address = documentation(problem.code)
    lines = [problem.message, problem.hint, *problem.chain]
    return types.Diagnostic(
        range_of(buffer, problem.start, max(problem.end, problem.start + 1)),
        "\n".join(filter(None, lines)),
        SEVERITIES[problem.level],
        problem.code,
        types.CodeDescription(address) if address else None,
        "lamina",
    )


def completion_item(
    buffer: Buffer, offset: int, place: int, found: Completion
) -> types.CompletionItem:
    written = found.insert or found.label
    text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.CompletionItem(
        found.label,
        kind=KINDS[found.kind],
        detail=found.detail or None,
        documentation=text if found.text else None,
        sort_text=f"{place:05}",
        filter_text=found.label,
        text_edit=types.TextEdit(
            range_of(buffer, offset - found.typed, offset), written
        ),
    )


def document_symbol(buffer: Buffer, symbol: Symbol) -> types.DocumentSymbol:
    stage = symbol.kind == "stage"
    return types.DocumentSymbol(
        symbol.name,
        types.SymbolKind.Module if stage else types.SymbolKind.Method,
        range_at(buffer, symbol.place),
        range_at(buffer, symbol.named),
        symbol.detail,
        children=[document_symbol(buffer, inner) for inner in symbol.inner]
        if stage
        else None,
    )


def text_edit(buffer: Buffer, text: str) -> types.TextEdit:
    """What makes `text` of a buffer: only what is between the same start and end."""
    old = buffer.text
    start = 0
    most = min(len(old), len(text))
    while start < most and old[start] == text[start]:
        start += 1
    behind = 0
    while behind < most - start and old[-1 - behind] == text[-1 - behind]:
        behind += 1
    place = range_of(buffer, start, len(old) - behind)
    return types.TextEdit(place, text[start : len(text) - behind])


def code_action(
    buffer: Buffer, diagnostic: types.Diagnostic, fix: Fix
) -> types.CodeAction:
    edit = types.TextEdit(range_of(buffer, fix.start, fix.end), fix.text)
    return types.CodeAction(
        fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        edit=types.WorkspaceEdit({buffer.uri: [edit]}),
        is_preferred=fix.preferred,
    )
