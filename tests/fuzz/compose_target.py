"""Compose files under atheris, as `atheris_target.py` has the front end.

`python -m tests.fuzz.compose_target CORPUS -max_total_time=600`; tests/fuzz/compose is
the start.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["lamina.services.compose"]):
    from tests.fuzz.compose_files import compose_files


def main() -> None:
    # What `-merge=1` starts again, with other arguments.
    sys.argv[0] = f"{sys.executable} -m tests.fuzz.compose_target"
    atheris.Setup(sys.argv, compose_files)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
