"""One instruction, as tests read it."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.lang import words
from lamina.lang.dialect import DOCKERFILE, Dialect
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source
from lamina.lang.words import ShellForm, Word


def one(text: str, dialect: Dialect = DOCKERFILE) -> Any:
    """The node of one instruction in a stage."""
    source = Source("Dockerfile", f"FROM a AS a\nFROM b\n{text}\n")
    (node,) = parse(source, dialect=dialect).stages[1].instructions
    return node


def error(text: str, dialect: Dialect = DOCKERFILE) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        one(text, dialect)
    return caught.value


def said(node: Any) -> str | tuple[str, ...]:
    """What a command says: a shell's text, or arguments."""
    command: words.Command = node.command
    return command.text if isinstance(command, ShellForm) else command.args


def texts(words: tuple[Word, ...]) -> list[str]:
    return [word.text for word in words]
