"""Stages and variables of a text that is being written: where each is made, what it
holds, and where it is used."""

from __future__ import annotations

import re

from lamina.lang.expand import expand
from lamina.lang.lines import Fragment
from lamina.lang.source import RecipeError, Span
from lamina.lang.variables import variables
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.lang.assist.reading import Reading, Written
    from lamina.lang.statement import Statement
    from lamina.lang.words import Word

VARIABLE = re.compile(r"\$(\{)?([^\W\d]\w*)")
# A longer value is not told: variables that double each other grow without end.
LONGEST = 400


@value
class StageName:
    """One FROM: `base` is what it starts from, None while that is being typed;
    `name` in lower case, "" for none, stands at `place`."""

    index: int
    name: str
    place: Span
    base: Fragment | None
    line: Written


@value
class Variable:
    """What one ARG or ENV makes. `written` is its value or default as typed; `value`
    that expanded, None where the file does not say it. `outer` is the ARG above the
    first FROM that a stage's ARG takes its default from."""

    name: str
    keyword: str
    place: Span
    stage: int
    written: Word | None
    value: str | None
    outer: Variable | None = None


@value
class Occurrence:
    """A name of a stage or variable where it stands. `target` is what it means,
    None where nothing in the file makes it."""

    name: str
    place: Span
    target: StageName | Variable | None


@value
class Scope:
    """What is known before a line: variables, their values, the ARGs above the first
    FROM, and stages by name and number. Only good until the walk goes on."""

    variables: dict[str, Variable]
    values: dict[str, str]
    outer: dict[str, Variable]
    stages: dict[str, StageName]

    def add(self, variable: Variable) -> None:
        self.variables[variable.name] = variable
        if variable.value is None:
            self.values.pop(variable.name, None)
        else:
            self.values[variable.name] = variable.value

    def base(self, stage: StageName) -> StageName | None:
        """The stage that `stage` starts from. A number is no stage there."""
        name = "" if stage.base is None else stage.base.text.lower()
        return None if name.isdigit() else self.stages.get(name)


def stage_names(reading: Reading) -> tuple[StageName, ...]:
    """Every FROM, in order."""
    lines = (line for line in reading.lines if line.keyword == "FROM")
    return tuple(_stage(reading, index, line) for index, line in enumerate(lines))


def _stage(reading: Reading, index: int, line: Written) -> StageName:
    keyword = line.line.span(0, len("FROM"))
    nameless = StageName(index, "", keyword, None, line)
    statement = reading.statement(line)
    if statement is None or statement.rest is None:
        return nameless
    text = statement.rest
    try:
        image, _, name = statement.tree("from_", text)
    except RecipeError:
        return nameless
    base = text.part(image.start_pos, image.end_pos)
    if name is None:
        return StageName(index, "", keyword, base, line)
    alias = text.part(name.start_pos, name.end_pos)
    return StageName(index, alias.text.lower(), alias.span, base, line)


def walk(reading: Reading) -> Iterator[tuple[Written, Scope]]:
    """Every line, and what is known before it."""
    stages: dict[str, StageName] = {}
    outer: dict[str, Variable] = {}
    top = scope = Scope(outer, {}, outer, stages)
    below: list[Scope] = []
    named = iter(stage_names(reading))
    for line in reading.lines:
        if line.keyword != "FROM":
            yield line, scope
            for variable in tuple(_made(reading, line, scope)):
                scope.add(variable)
            continue
        yield line, top
        stage = next(named)
        base = top.base(stage)
        if base is None:
            scope = Scope({}, {}, outer, stages)
        else:
            under = below[base.index]
            scope = Scope({**under.variables}, {**under.values}, outer, stages)
        below.append(scope)
        stages[str(stage.index)] = stage
        if stage.name:
            stages[stage.name] = stage


def scope_at(reading: Reading, line: Written | None) -> Scope:
    """What is known before `line`, or at the end of the text."""
    scope = Scope({}, {}, {}, {})
    for found, known in walk(reading):
        scope = known
        if found is line:
            break
    return scope


def _made(reading: Reading, line: Written, scope: Scope) -> Iterator[Variable]:
    """The variables of an ARG or ENV."""
    if line.keyword not in ("ARG", "ENV"):
        return
    for name, word in declared(reading.statement(line)):
        text = _expanded(word, scope.values, reading.escape)
        above = None
        if line.keyword == "ARG" and word is None and line.stage >= 0:
            above = scope.outer.get(name.text)
            text = above.value if above else None
        place = name.span
        yield Variable(name.text, line.keyword, place, line.stage, word, text, above)


def declared(statement: Statement | None) -> tuple[tuple[Fragment, Word | None], ...]:
    """The names of an ARG or ENV and their values."""
    start = {"ARG": "args", "ENV": "pairs"}.get(statement.keyword if statement else "")
    if statement is None or statement.rest is None or start is None:
        return ()
    text = statement.rest
    found: list[tuple[Fragment, Word | None]] = []
    try:
        children = statement.tree(start, text)
        if not isinstance(children[0], tuple):
            key, rest = children
            word = statement.word(text.part(rest.start_pos, rest.end_pos))
            return ((text.part(key.start_pos, key.end_pos), word),)
        for key, equals, given in children:
            name = text.part(key.start_pos, key.end_pos)
            if equals is None:
                found.append((name, None))
            else:
                end = (given or equals).end_pos
                found.append((name, statement.word(text.part(equals.end_pos, end))))
    except RecipeError:
        return ()
    return tuple(found)


def _expanded(word: Word | None, values: dict[str, str], escape: str) -> str | None:
    """The word's value; None where it hangs on what the file does not say."""
    if word is None or any(used.name not in values for used in variables(word.parts)):
        return None
    try:
        text = expand(word, values, escape)
    except RecipeError:
        return None
    return text if len(text) <= LONGEST else None


def occurrences(reading: Reading) -> Iterator[Occurrence]:
    """Every name of a stage or variable in the text, in no order."""
    for line, scope in walk(reading):
        yield from occurrences_in(reading, line, scope)


def occurrence_at(reading: Reading, offset: int) -> Occurrence | None:
    """The name that stands at `offset`, its end included."""
    line = reading.at(offset)
    if line is None:
        return None
    for found, scope in walk(reading):
        if found is line:
            for occurrence in occurrences_in(reading, line, scope):
                if occurrence.place.start <= offset <= occurrence.place.end:
                    return occurrence
    return None


def occurrences_in(
    reading: Reading, line: Written, scope: Scope
) -> Iterator[Occurrence]:
    """The names in one line; `scope` is what is known before it."""
    if line.keyword == "FROM":
        stage = _stage(reading, line.stage, line)
        base = scope.base(stage)
        if base is not None and stage.base is not None:
            yield Occurrence(base.name, stage.base.span, base)
        if stage.name:
            yield Occurrence(stage.name, stage.place, stage)
    for variable in _made(reading, line, scope):
        yield Occurrence(variable.name, variable.place, variable)
    for place in _from_values(reading.statement(line)):
        target = scope.stages.get(place.text.lower())
        if target is not None and target.index != line.stage:
            yield Occurrence(target.name or place.text, place.span, target)
    yield from _variables_in(reading, line, scope)


def _from_values(statement: Statement | None) -> Iterator[Fragment]:
    if statement is None:
        return
    for flag in statement.flags:
        if flag.value is None or not flag.value.text:
            continue
        if flag.name == "from" and statement.keyword == "COPY":
            yield flag.value
        elif flag.name == "mount":
            try:
                fields = statement.tree("mount", flag.value)
            except RecipeError:
                continue
            for key, _, given in fields:
                name = flag.value.text[key.start_pos : key.end_pos]
                if given is not None and name.lower() == "from":
                    yield flag.value.part(given.start_pos, given.end_pos)


def _variables_in(
    reading: Reading, line: Written, scope: Scope
) -> Iterator[Occurrence]:
    text = line.text
    for name, start, end in _substitutions(text, reading.escape):
        yield _use(name, line.line.span(start, end), line, scope)
    for _, first, last in reading.bodies(line):
        body = reading.source.text[first:last]
        for name, start, end in _substitutions(body, "\\"):
            place = Span(reading.source, first + start, first + end)
            yield _use(name, place, line, scope)


def _use(name: str, place: Span, line: Written, scope: Scope) -> Occurrence:
    return Occurrence(name, place, scope.variables.get(name))


def _substitutions(text: str, escape: str) -> Iterator[tuple[str, int, int]]:
    """The names after `$` and `${`, and where they stand."""
    for found in VARIABLE.finditer(text):
        before = text[max(0, found.start() - 50) : found.start()]
        if (len(before) - len(before.rstrip(escape))) % 2 == 0:
            yield found[2], found.start(2), found.end(2)
