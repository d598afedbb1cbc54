"""Modes, times, owners and kinds of what COPY has copied."""

from __future__ import annotations

import os
import stat

import pytest

from lamina.builder.errors import InvalidMode
from lamina.errors import LaminaError
from tests.builder.ops.places import OLD, Place, empty, make


def test_modes_are_kept_exactly_whatever_the_umask(place: Place) -> None:
    modes = {"a": 0o4755, "b": 0o2711, "c": 0o1777, "d": 0o000, "e": 0o666, "h": 0o640}
    for name, mode in modes.items():
        make(place.context, **{f"modes__{name}": name})
        (place.context / "modes" / name).chmod(mode)
    (place.context / "modes" / "sub").mkdir()
    (place.context / "modes" / "sub").chmod(0o3775)
    before = os.umask(0o077)
    try:
        place.copy("modes", to="/new/modes")
    finally:
        os.umask(before)
    assert {name: place.mode(f"new/modes/{name}") for name in modes} == modes
    assert place.mode("new/modes/sub") == 0o3775
    assert place.mode("new/modes") == place.mode("new") == 0o755


def test_times_are_kept_to_the_nanosecond(place: Place) -> None:
    for name in ("d/x", "d/in/y", "d/in", "d"):
        os.utime(place.context / name, ns=(OLD, OLD + len(name)))
    os.utime(place.context / "d/link", ns=(OLD, OLD), follow_symlinks=False)
    os.utime(place.view / "dir", ns=(OLD, OLD - 1))
    place.copy("d", to="/dir/sub")

    def mtime(name: str) -> int:
        return (place.upper / name).lstat().st_mtime_ns - OLD

    names = ("dir/sub/x", "dir/sub/in/y", "dir/sub/in", "dir/sub", "dir/sub/link")
    assert [mtime(name) for name in names] == [3, 6, 4, 1, 0]
    assert mtime("dir") == -1


def test_an_existing_destination_keeps_its_mode_and_nested_ones_do_not(
    place: Place,
) -> None:
    make(place.view, dir__in__old="old")
    (place.view / "dir").chmod(0o1777)
    (place.view / "dir/in").chmod(0o700)
    (place.context / "d").chmod(0o711)
    (place.context / "d/in").chmod(0o750)
    place.copy("d", to="/dir")
    assert place.mode("dir") == 0o1777
    assert place.mode("dir/in") == 0o750
    place.copy("d", to="/fresh")
    assert place.mode("fresh") == 0o755


@pytest.mark.parametrize(
    ("chmod", "file", "program", "inner", "made"),
    [
        ("644", 0o644, 0o644, 0o644, 0o644),
        ("0755", 0o755, 0o755, 0o755, 0o755),
        ("u=rwX,go=rX", 0o644, 0o755, 0o755, 0o755),
        ("a+X", 0o640, 0o751, 0o751, 0o755),
        ("go-rwx", 0o600, 0o700, 0o700, 0o755),
        ("g=u,o=", 0o660, 0o770, 0o770, 0o755),
        ("+x", 0o751, 0o751, 0o751, 0o755),
        ("u+s,+t", 0o5640, 0o5750, 0o5750, 0o755),
        ("u-w+x", 0o540, 0o550, 0o550, 0o755),
    ],
)
def test_chmod(
    place: Place, chmod: str, file: int, program: int, inner: int, made: int
) -> None:
    make(place.context, p__file="", p__program="", p__in="dir", p__link="-> file")
    for name, mode in (("file", 0o640), ("program", 0o750), ("in", 0o750)):
        (place.context / "p" / name).chmod(mode)
    place.copy("p", to="/new/", chmod=chmod)
    assert place.mode("new/file") == file
    assert place.mode("new/program") == program
    assert place.mode("new/in") == inner
    assert place.mode("new") == made
    assert place.mode("new/link") == 0o777


@pytest.mark.parametrize("chmod", ["8", "77777", "rwx", "u+q", "u", "z=r", "u=rg"])
def test_chmod_refuses_what_is_no_mode(place: Place, chmod: str) -> None:
    with pytest.raises(InvalidMode):
        place.copy("f", to="/f", chmod=chmod)


@pytest.mark.root
def test_owners(place: Place) -> None:
    for name in ("f", "d", "d/x", "d/in", "d/in/y"):
        os.chown(place.context / name, 100, 200)
    os.chown(place.context / "d/link", 100, 200, follow_symlinks=False)
    os.chown(place.view / "dir", 7, 8)

    def owner(name: str) -> tuple[int, int]:
        found = (place.upper / name).lstat()
        return found.st_uid, found.st_gid

    def owners() -> set[tuple[int, int]]:
        names = ("dir/new", "dir/new/x", "dir/new/in", "dir/new/in/y", "dir/new/link")
        return {owner(name) for name in names}

    place.copy("d", to="/dir/new")
    assert owners() == {(0, 0)}
    assert owner("dir") == (7, 8)
    empty(place.upper)
    place.copy("d", to="/dir/new", owner=(11, 12))
    assert owners() == {(11, 12)}
    assert owner("dir") == (7, 8)
    empty(place.upper)
    place.copy_stage("/d", to="/dir/new/")
    assert owner("dir/new") == (0, 0)
    assert owner("dir/new/in/y") == owner("dir/new/link") == (100, 200)


@pytest.mark.root
def test_a_directory_with_set_group_id_hands_its_group_to_nobody(place: Place) -> None:
    make(place.context, one__in__a="", two__in__b="")
    os.chown(place.context / "one/in", 0, 50)
    (place.context / "one/in").chmod(0o2755)
    place.copy_stage("/one", "/two", to="/new/")
    assert (place.upper / "new/in/b").stat().st_gid == 0


@pytest.mark.root
def test_special_bits_survive_a_change_of_owner(place: Place) -> None:
    (place.context / "f").chmod(0o6755)
    place.copy("f", to="/f", owner=(5, 6))
    assert place.mode("f") == 0o6755


@pytest.mark.root
def test_capabilities_are_carried_along(place: Place) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(place.context / "f", "security.capability", capability)
    os.setxattr(place.context / "f", "user.tag", b"mine")
    place.copy("f", to="/f", owner=(5, 6))
    assert os.getxattr(place.upper / "f", "security.capability") == capability
    assert os.listxattr(place.upper / "f") == ["security.capability"]
    place.copy_stage("/f", to="/g")
    assert os.getxattr(place.upper / "g", "user.tag") == b"mine"


@pytest.mark.root
def test_devices_and_pipes_of_a_stage(place: Place) -> None:
    os.mkfifo(place.context / "d/pipe", 0o640)
    os.mknod(place.context / "d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    place.copy_stage("/d", to="/new")
    made = (place.upper / "new/null").lstat()
    assert (stat.S_ISCHR(made.st_mode), made.st_rdev) == (True, os.makedev(1, 3))
    assert stat.S_ISFIFO((place.upper / "new/pipe").lstat().st_mode)
    assert place.mode("new/pipe") == 0o640
    os.mknod(place.context / "d/gone", stat.S_IFCHR, 0)
    with pytest.raises(LaminaError, match="character device 0:0"):
        place.copy_stage("/d", to="/other")
