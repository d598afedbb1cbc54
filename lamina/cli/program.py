"""The process of a command, and what begins before its words are understood."""

from __future__ import annotations

import errno
import gc
import os
import sys
from _io import TextIOWrapper

from lamina.cli.spellings import position_of_command, spelled_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# What starts a container, which needs a keeper.
_STARTING = ("run", "start")
_GROUP = "container"


def main() -> int:
    """Run the command of this process, which ends with it."""
    # To look for cycles among what imports make would be a tenth of `lamina run`.
    gc.set_threshold(100_000)
    _open_streams()
    try:
        if starts(sys.argv[1:]) and os.geteuid() == 0:
            from lamina.runtime.containers.keepers import begin_keeper

            begin_keeper()
        from lamina.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        # Before anything was there that would have to be cleaned up.
        os._exit(130)
    except MemoryError:
        _give_up(b"There is not enough memory")
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        _give_up(b"Too many files are open")


def _open_streams() -> None:
    """Have the three streams, and what a name is made of given back as it was.

    One that the caller has closed (`>&-`) would be the number of the next file that is
    opened, and what is printed would go there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null == number:
                os.set_inheritable(null, True)
            else:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115
    # As under the locale C; a locale of UTF-8 would refuse names that are none.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")


def _give_up(said: bytes) -> NoReturn:
    """There was not even enough to say it in the usual way."""
    os.write(2, b"lamina: " + said + b".\n")
    os._exit(125)


def starts(words: list[str]) -> bool:
    """Whether it is likely that a keeper is needed, and of the usual kind."""
    at = position_of_command(words)
    if words[at : at + 1] == [_GROUP]:
        words = spelled_out(_GROUP, words)
    return words[at : at + 1] in ([name] for name in _STARTING) and not any(
        word in ("--pid", "--help") or word.startswith("--pid=") for word in words
    )
