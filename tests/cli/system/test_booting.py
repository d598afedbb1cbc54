"""`lamina system unit`: what systemd makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.cli.system.booting import unit


def test_a_unit_starts_and_stops_with_the_machine() -> None:
    text = unit("/usr/bin/lamina", "/var/lib/lamina", user=False)
    assert 'ExecStart="/usr/bin/lamina" --root "/var/lib/lamina" system start\n' in text
    assert 'ExecStop="/usr/bin/lamina" --root "/var/lib/lamina" system stop\n' in text
    assert "WantedBy=multi-user.target\n" in text


def test_a_user_s_unit_knows_the_user_s_targets_alone() -> None:
    text = unit("/usr/bin/lamina", "/home/me/.local/share/lamina", user=True)
    assert "WantedBy=default.target\n" in text
    assert "network-online" not in text


def test_paths_are_words_whatever_they_hold() -> None:
    text = unit("/opt/100% mine/lamina", '/srv/a "b" $HOME', user=False)
    assert r'"/opt/100%% mine/lamina" --root "/srv/a \"b\" $$HOME" system start' in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
@pytest.mark.parametrize("user", [False, True])
def test_systemd_finds_nothing_wrong(tmp_path: Path, user: bool) -> None:
    place = tmp_path / "with blanks"
    place.mkdir()
    program = place / "lamina"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / "lamina.service"
    file.write_text(unit(str(program), str(place), user))
    how = ("--user",) if user else ()
    done = subprocess.run(
        ("systemd-analyze", "verify", *how, file),
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
    )
    assert str(file) not in done.stderr, done.stderr
    assert "lamina.service" not in done.stderr, done.stderr
