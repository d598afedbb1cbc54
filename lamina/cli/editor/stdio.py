"""The language server on stdin and stdout."""

from __future__ import annotations

import os

from lamina.cli.editor.requests import register
from lamina.cli.editor.server import Server
from lamina.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.inputs.recipe import RecipeInputs
    from lamina.cli.editor.diagnosis import Doctor


def serve(options: RecipeInputs, doctor: Doctor) -> int:
    """Serve stdin and stdout until the editor leaves. Of `options` the values and
    `compat` hold for every recipe; `doctor` checks them."""
    from _signal import SIG_DFL, SIGTERM, signal  # type: ignore[import-not-found]

    # There is nothing to clean up, and a thread that reads stdin to be waited for.
    signal(SIGTERM, SIG_DFL)
    # What anything else prints must not get between the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = Server(options, doctor)
    register(server)
    # The grammars take a moment, and the editor's first text will need them.
    server.checks.submit(
        doctor.diagnose, replace(options, name="Recipe", data=b"RUN <<A $b")
    )
    server.start_io(stdout=output)
    return 0
