"""Python's messages in the words of templates: who writes a recipe knows texts, numbers
and lists, and need not know what `NoneType` is."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What values are called, by the names of their types.
_KINDS = {
    "str": "a text",
    "Traced": "a text",
    "bool": "a truth value",
    "int": "a number",
    "float": "a number",
    "dict": "a mapping",
    "list": "a list",
    "tuple": "a list",
    "NoneType": "none",
    "range": "a range",
    "Macro": "a macro",
    "Undefined": "nothing",
}
_FUNCTIONS = frozenset({"function", "method", "builtin_function_or_method", "type"})
_KIND = r"['\"]?([\w.]+)['\"]?"


def kind_of(given: object) -> str:
    """What a value is called in a message."""
    return _kind(type(given).__name__)


def _kind(name: str) -> str:
    name = name.rpartition(".")[2]
    if name in _FUNCTIONS or name.endswith("method"):
        return "a function"
    return _KINDS.get(name, f"a {name.strip('_').lower()}")


def _one(sentence: str) -> Callable[[re.Match[str]], str]:
    return lambda found: sentence.format(_kind(found[1]))


def _two(sentence: str) -> Callable[[re.Match[str]], str]:
    def said(found: re.Match[str]) -> str:
        operator, one, other = found.groups()
        return sentence.format(operator, _kind(one), _kind(other))

    return said


def _arguments(found: re.Match[str]) -> str:
    """What is wrong with the arguments of a call, without Python's names and counts,
    which include the value that is piped in, and the object that has the method."""
    name = found[1].removesuffix(".__init__").rpartition(".")[2].removeprefix("do_")
    call, said = f"this call of {name.lower()}()", found[2]
    if said.startswith("missing"):
        return f"{call} lacks {said.partition(': ')[2]}"
    if said.startswith("got an unexpected keyword"):
        return f"{call} knows no {said.rpartition(' ')[2]}"
    return f"{call} has too many arguments"


_MESSAGES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), say)
    for pattern, say in (
        (rf"{_KIND} object is not subscriptable", _one("{} has no items")),
        (
            rf"(?:{_KIND} object|argument of type {_KIND}|cannot unpack non-iterable "
            rf"{_KIND} object)(?: is not iterable)?",
            lambda found: f"{_kind(found[1] or found[2] or found[3])} is no list",
        ),
        (rf"{_KIND} object is not callable", _one("{} cannot be called")),
        (rf"object of type {_KIND} has no len\(\)", _one("{} has no length")),
        (
            rf"{_KIND} object cannot be interpreted as an integer",
            _one("a whole number has to be here, not {}"),
        ),
        (
            rf"unsupported operand type\(s\) for ([^:]+): {_KIND} and {_KIND}",
            _two("{1} and {2} have no {0}"),
        ),
        (
            rf"()can only concatenate {_KIND} \(not {_KIND}\) to \w+",
            _two("{1} and {2} have no +; texts are joined by ~"),
        ),
        (
            rf"()can't multiply sequence by non-int of type {_KIND}()",
            _two("{1} cannot say how many times"),
        ),
        (
            rf"'(\S+)' not supported between instances of {_KIND} and {_KIND}",
            _two("{1} and {2} cannot be compared"),
        ),
        (rf"bad operand type for unary \S+: {_KIND}", _one("{} has no sign")),
        (
            rf".*a (?:real )?number is required, not {_KIND}",
            _one("a number has to be here, not {}"),
        ),
        (rf"must be str or None, not {_KIND}", _one("a text has to be here, not {}")),
        (r"substring not found", lambda _: "that text is not in it"),
        (r"([\w.]+)\(\) ((?:missing|takes|got) .*)", _arguments),
        (
            r"(\w+) expected at (\w+) \d+ arguments?, got \d+",
            lambda found: (
                f"this call of {found[1]}() has too "
                f"{'few' if found[2] == 'least' else 'many'} arguments"
            ),
        ),
    )
)


def plain(said: str) -> str:
    """A message of Python's, as a sentence's words."""
    for pattern, say in _MESSAGES:
        found = pattern.fullmatch(said)
        if found is not None:
            return say(found)
    return said
