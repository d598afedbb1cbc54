"""Events to what people see: plain lines in a pipe, a live view on a terminal."""

from __future__ import annotations

import sys

from lamina.cli.progress.outcome import BUILT, CANCELLED, FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol, TextIO

    from lamina.builder.events import Event
    from lamina.errors import LaminaError

    class Console(Protocol):
        """Shows events; `close` says how it ended (BUILT, FAILED or CANCELLED), and
        leaves the terminal as it was."""

        def __call__(self, event: Event) -> None: ...

        def close(self, outcome: str = ...) -> None: ...


PROGRESS = ("auto", "tty", "plain", "json", "quiet")


def console(
    progress: str, environment: Mapping[str, str], stream: TextIO = sys.stderr
) -> Console:
    """`progress` is one of PROGRESS; auto is tty on a terminal that can move its
    cursor (`TERM`), else plain. `NO_COLOR` is as on no-color.org."""
    if progress == "quiet":
        return Quiet()
    if progress == "json":
        from lamina.cli.progress.json_lines import JsonLines

        return JsonLines(stream)
    dumb = environment.get("TERM", "") == "dumb"
    if progress == "tty" or (progress == "auto" and stream.isatty() and not dumb):
        from lamina.cli.progress.terminal import Terminal

        return Terminal(stream, colour=not (dumb or environment.get("NO_COLOR")))
    from lamina.cli.progress.plain import Plain

    return Plain(stream)


def tell_error(show: Console | None, error: LaminaError) -> bool:
    """Hand an error to a console that has its own way with it; whether it has."""
    told = getattr(show, "error", None)
    if told is None:
        return False
    told(error)
    return True


class Closing:
    """Closes `show`, when there is one, with what became of the block: `failed` is for
    who has told an error and goes on."""

    def __init__(self, show: Console | None) -> None:
        self._show = show
        self.failed = False

    def __enter__(self) -> Closing:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _: object) -> None:
        if self._show is None:
            return
        if isinstance(error, KeyboardInterrupt):
            self._show.close(CANCELLED)
        else:
            self._show.close(FAILED if error or self.failed else BUILT)


class Quiet:
    """Shows nothing."""

    def __call__(self, event: Event) -> None:
        pass

    def close(self, outcome: str = FAILED) -> None:
        pass
