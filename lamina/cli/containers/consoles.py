"""The caller's terminal and streams, as `run`, `exec` and `attach` use them."""

from __future__ import annotations

import argparse
import os

from lamina.cli.usage import FlagUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.runtime.containers.console import Console

STREAMS = ("stdin", "stdout", "stderr")


class NoTerminal(FlagUsage):
    """Something is to be typed where nobody can type."""

    exit_code = 1


def check_terminal(typed: bool) -> None:
    """A terminal that is to be typed into has to be one on our side as well."""
    if typed and not os.isatty(0):
        raise NoTerminal(
            "The input device is not a TTY.", hint="Without a terminal, use `-i` alone."
        )


def console_of(
    terminal: bool, interactive: bool, shown: tuple[str, ...] = STREAMS
) -> Console:
    """What of ours a process is shown on: it has a terminal, and takes input."""
    from lamina.runtime.containers.console import Console

    typed = interactive and "stdin" in shown
    return Console(
        stdin=0 if typed else -1,
        stdout=1 if "stdout" in shown else -1,
        stderr=2 if "stderr" in shown else -1,
        terminal=0 if typed and terminal and os.isatty(0) else -1,
    )


def add_detach_keys(parser: argparse.ArgumentParser) -> None:
    """Register `--detach-keys`."""
    about = "what to type to leave it running (default: ctrl-p,ctrl-q)"
    parser.add_argument("--detach-keys", metavar="KEYS", help=about)


def detach_keys(arguments: argparse.Namespace) -> bytes:
    """What `--detach-keys` asks for; raises LaminaError."""
    from lamina.runtime.containers.detaching import DEFAULT, parse_keys

    given = arguments.detach_keys
    return parse_keys(DEFAULT if given is None else given)


def add_sig_proxy(parser: argparse.ArgumentParser) -> None:
    """Register `--sig-proxy`."""
    about = "pass signals on to the process"
    yes_or_no = argparse.BooleanOptionalAction
    parser.add_argument("--sig-proxy", action=yes_or_no, default=True, help=about)
