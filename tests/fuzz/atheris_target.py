"""The front end under atheris, which is led by the lines that were reached.

`python -m tests.fuzz.atheris_target CORPUS -max_total_time=600` writes inputs that
reached something new into CORPUS, and what failed into the working directory. It needs
the dependency group `fuzz`. tests/fuzz/corpus is the start; `-merge=1` keeps it small.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(
    include=["lamina.lang", "lamina.builder.inputs.recipe"]
):
    from tests.fuzz.front_end import front_end


def main() -> None:
    # What `-merge=1` starts again, with other arguments.
    sys.argv[0] = f"{sys.executable} -m tests.fuzz.atheris_target"
    atheris.Setup(sys.argv, front_end)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
