"""The process of a command, and what begins before its words are understood."""

from __future__ import annotations

import gc
import os
import sys

from lamina.cli.spellings import position_of_command, spelled_out

# What starts a container, which needs a keeper.
_STARTING = ("run", "start")
_GROUP = "container"


def main() -> int:
    """Run the command of this process, which ends with it."""
    # To look for cycles among what imports make would be a tenth of `lamina run`.
    gc.set_threshold(100_000)
    try:
        if starts(sys.argv[1:]) and os.geteuid() == 0:
            from lamina.runtime.containers.keepers import begin_keeper

            begin_keeper()
        from lamina.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        # Before anything was there that would have to be cleaned up.
        os._exit(130)


def starts(words: list[str]) -> bool:
    """Whether it is likely that a keeper is needed, and of the usual kind."""
    at = position_of_command(words)
    if words[at : at + 1] == [_GROUP]:
        words = spelled_out(_GROUP, words)
    return words[at : at + 1] in ([name] for name in _STARTING) and not any(
        word in ("--pid", "--help") or word.startswith("--pid=") for word in words
    )
