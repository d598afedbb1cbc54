"""`USER` as an image may say it, resolved in a root of plain files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.users import Identity, resolve_user

PASSWD = """\
# a comment: not a user
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001:An App:/home/app:/bin/sh
4000:x:4001:4001::/named-like-a-number:
short:x:7:7
broken:x:many:7::/:
"""
GROUP = """\
root:x:0:
app:x:1001:
audio:x:63:app,root
video:x:44:other,app
5000:x:5001:
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ("", Identity(0, 0, (0, 63), "/root")),
        ("root", Identity(0, 0, (0, 63), "/root")),
        ("0", Identity(0, 0, (0, 63), "/root")),
        ("app", Identity(1000, 1001, (44, 63, 1001), "/home/app")),
        ("1000", Identity(1000, 1001, (44, 63, 1001), "/home/app")),
        ("app:audio", Identity(1000, 63, (63,), "/home/app")),
        ("app:77", Identity(1000, 77, (77,), "/home/app")),
        ("app:", Identity(1000, 1001, (44, 63, 1001), "/home/app")),
        (":video", Identity(0, 44, (44,), "/root")),
        ("77", Identity(77, 0, (0,), "/")),
        ("77:88", Identity(77, 88, (88,), "/")),
        ("4000", Identity(4001, 4001, (4001,), "/named-like-a-number")),
        ("1:5000", Identity(1, 5001, (5001,), "/")),
        ("short", Identity(7, 7, (7,), "/")),
        ("4294967294", Identity(4294967294, 0, (0,), "/")),
    ],
)
def test_users(root: int, user: str, identity: Identity) -> None:
    assert resolve_user(root, user) == identity


def test_further_groups(root: int) -> None:
    assert resolve_user(root, "app", (9, 63)).groups == (9, 44, 63, 1001)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("nobody", "There is no user 'nobody'"),
        ("broken", "There is no user 'broken'"),
        ("app:nogroup", "There is no group 'nogroup'"),
        ("-1", "There is no user '-1'"),
        ("0x0", "There is no user '0x0'"),
        ("+0", "There is no user"),
        ("٣", "There is no user"),
        ("4294967295", "'4294967295' is not an id"),
        ("4294967296", "'4294967296' is not an id"),
        ("0:4294967296", "'4294967296' is not an id"),
        ("00000000000", "'00000000000' is not an id"),
    ],
)
def test_what_is_no_user(root: int, user: str, said: str) -> None:
    with pytest.raises(ContainerError, match=said):
        resolve_user(root, user)


def test_a_root_without_user_files(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        assert resolve_user(fd, "") == Identity(0, 0, (0,), "/")
        with pytest.raises(ContainerError):
            resolve_user(fd, "app")
    finally:
        os.close(fd)


def test_links_are_followed_inside_the_root_only(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc/passwd").rename(tmp_path / "users")
    (tmp_path / "etc/passwd").symlink_to("/users")
    assert resolve_user(root, "app").uid == 1000
    (tmp_path / "etc/passwd").unlink()
    (tmp_path / "etc/passwd").symlink_to("/etc/shadow")
    assert resolve_user(root, "").home == "/"


def test_a_file_that_is_too_large(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc/group").write_text("g:x:1:\n" * 200_000)
    with pytest.raises(ContainerError, match="larger than 1048576 bytes"):
        resolve_user(root, "app")


def test_a_socket_in_place_of_a_file(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc/passwd").unlink()
    os.mknod(tmp_path / "etc/passwd", 0o140644)
    with pytest.raises(ContainerError, match="not a regular file"):
        resolve_user(root, "app")
