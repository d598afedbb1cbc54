"""What may stand where an instruction has its arguments."""

from __future__ import annotations

from lamina.lang.assist.offer import Completion, Typing, described, stages
from lamina.lang.assist.reference.instructions import UNSETTABLE
from lamina.lang.assist.reference.variables import VARIABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2")
PROTOCOLS = ("tcp", "udp", "sctp")


def arguments(typing: Typing) -> Iterator[Completion]:
    """What fits after the flags of the instruction that is typed."""
    offers = ARGUMENTS.get(typing.keyword)
    return iter(()) if offers is None else offers(typing)


def _after_from(typing: Typing) -> Iterator[Completion]:
    words = [word for word in typing.words if not word.startswith("--")]
    if not words:
        yield from stages(typing, typing.typed)
        yield Completion("scratch", "value", "nothing", typed=len(typing.typed))
    elif len(words) == 1:
        yield Completion(typing.cased("AS"), "instruction", typed=len(typing.typed))


def _after_arg(typing: Typing) -> Iterator[Completion]:
    """The ARGs above the first FROM and the automatic ones, to be repeated."""
    typed = typing.typed
    if "=" in typed or typing.line.stage < 0:
        return
    for variable in typing.scope.outer.values():
        yield Completion(
            variable.name, "variable", described(variable), typed=len(typed)
        )
    for name, told in VARIABLES.items():
        yield Completion(name, "variable", told, typed=len(typed))


def _after_healthcheck(typing: Typing) -> Iterator[Completion]:
    if all(word.startswith("--") for word in typing.words):
        for word in ("CMD", "NONE"):
            insert = typing.cased(word)
            yield Completion(insert, "instruction", typed=len(typing.typed))


def _after_unset(typing: Typing) -> Iterator[Completion]:
    if not typing.words:
        for word, told in UNSETTABLE.items():
            offer = typing.cased(word)
            yield Completion(offer, "instruction", told, typed=len(typing.typed))
    elif typing.words[0].upper() == "ENV":
        for variable in typing.scope.variables.values():
            if variable.keyword == "ENV":
                told = described(variable)
                typed = len(typing.typed)
                yield Completion(variable.name, "variable", told, typed=typed)


def _after_stopsignal(typing: Typing) -> Iterator[Completion]:
    return (Completion(s, "value", typed=len(typing.typed)) for s in SIGNALS)


def _after_expose(typing: Typing) -> Iterator[Completion]:
    port, slash, typed = typing.typed.partition("/")
    if port and slash:
        yield from (Completion(p, "value", typed=len(typed)) for p in PROTOCOLS)


ARGUMENTS: dict[str, Callable[[Typing], Iterator[Completion]]] = {
    "FROM": _after_from,
    "ARG": _after_arg,
    "HEALTHCHECK": _after_healthcheck,
    "UNSET": _after_unset,
    "STOPSIGNAL": _after_stopsignal,
    "EXPOSE": _after_expose,
}
