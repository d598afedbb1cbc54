"""What a service mounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lamina.runtime.containers.volumes import Volume, mount_text, parse_mount
from lamina.services.errors import ComposeError
from lamina.services.mounts import (
    file_mounts,
    grants_of,
    memory_mounts,
    mounts_of,
    write_grants,
)
from lamina.services.wanted import Wanted
from tests.services.projects import wanted


def _wanted(place: str = "/containers/1", adopted: Any = None, **keys: Any) -> Wanted:
    tree = {
        "services": {"web": {"image": "a", **keys}},
        "volumes": {"data": {"name": "app_data"}},
        "secrets": {"file": {"file": "/src/pw"}, "text": {"content": "hush"}},
        "configs": {"conf": {"content": "a = 1\n"}},
    }
    return wanted(tree, place=place, adopted=adopted or {})


def test_a_host_path_and_a_volume() -> None:
    found = mounts_of(
        _wanted(
            volumes=[
                {"type": "bind", "source": "/src", "target": "/app", "read_only": True},
                {"type": "volume", "source": "data", "target": "/data"},
                {"type": "volume", "target": "/scratch"},
            ]
        )
    )
    assert found == (
        Volume("bind", "/src", "/app", read_only=True, create=True),
        Volume("volume", "app_data", "/data"),
        Volume("volume", "", "/scratch"),
    )


def test_a_host_path_is_made_where_it_is_not_there() -> None:
    one = {"type": "bind", "source": "/s", "target": "/t"}
    (found,) = mounts_of(_wanted(volumes=[one]))
    assert parse_mount(mount_text(found), "/") == found


def test_a_host_path_that_is_not_to_be_made() -> None:
    one = {"type": "bind", "source": "/s", "target": "/t"}
    (found,) = mounts_of(
        _wanted(volumes=[{**one, "bind": {"create_host_path": False}}])
    )
    assert not found.create


def test_a_nameless_volume_of_the_container_before() -> None:
    volumes = [{"type": "volume", "target": "/scratch"}]
    found = mounts_of(
        _wanted(volumes=volumes, adopted={"/scratch": "a" * 64, "/image": "b" * 64})
    )
    assert [(one.source, one.destination) for one in found] == [
        ("a" * 64, "/scratch"),
        ("b" * 64, "/image"),
    ]


def test_memory() -> None:
    one = {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1048576", "mode": 0o700}}
    assert memory_mounts({"volumes": [one]}) == ("/t:size=1048576,mode=700",)
    assert memory_mounts({"volumes": [{"type": "tmpfs", "target": "/t"}]}) == ("/t",)


def test_secrets_lie_in_their_folder_and_configs_in_the_root() -> None:
    found = _wanted(
        secrets=[{"source": "file"}, {"source": "text", "target": "other"}],
        configs=[{"source": "conf"}, {"source": "conf", "target": "/etc/conf"}],
    )
    assert [one.place for one in grants_of(found)] == [
        "/run/secrets/file",
        "/run/secrets/other",
        "/conf",
        "/etc/conf",
    ]
    assert all(mount.read_only for mount in file_mounts(found))
    assert file_mounts(found)[0].source == "/src/pw"


def test_what_is_no_file_is_written_as_asked(tmp_path: Path) -> None:
    asked = {"source": "text", "uid": str(os.getuid()), "mode": "0400"}
    found = _wanted(place=str(tmp_path), secrets=[asked])
    write_grants(found)
    (mount,) = file_mounts(found)
    status = os.stat(mount.source)
    assert Path(mount.source).read_text() == "hush"
    assert (status.st_mode & 0o777, status.st_uid) == (0o400, os.getuid())


def test_what_is_written_already_stays_and_what_is_missing_is_made(
    tmp_path: Path,
) -> None:
    found = _wanted(place=str(tmp_path), secrets=[{"source": "text"}])
    write_grants(found)
    (mount,) = file_mounts(found)
    before = os.stat(mount.source).st_ino
    write_grants(found)
    assert os.stat(mount.source).st_ino == before
    os.unlink(mount.source)
    write_grants(found)
    assert Path(mount.source).read_text() == "hush"


def test_nothing_is_written_where_all_are_files(tmp_path: Path) -> None:
    write_grants(_wanted(place=str(tmp_path), secrets=[{"source": "file"}]))
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_is_not_set_is_told() -> None:
    tree = {
        "services": {"web": {"image": "a", "secrets": [{"source": "key"}]}},
        "secrets": {"key": {"environment": "KEY"}},
    }
    with pytest.raises(ComposeError, match="'KEY', which the secret 'key'"):
        grants_of(wanted(tree))
