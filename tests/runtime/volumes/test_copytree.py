"""Trees copied by descriptor: names of one file stay one, and nothing runs out."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.volumes.copytree import copy_tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def copied(source: Path, target: Path) -> Path:
    target.mkdir()
    given, made = os.open(source, _FOLDER), os.open(target, _FOLDER)
    try:
        copy_tree(given, made)
    finally:
        os.close(given)
        os.close(made)
    return target


def test_names_of_a_file_are_names_of_its_copy(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "first").write_text("one")
    os.link(source / "a" / "b" / "first", source / "second")
    os.link(source / "second", source / "a" / "third")
    target = copied(source, tmp_path / "target")
    places = ("a/b/first", "second", "a/third")
    assert len({(target / place).stat().st_ino for place in places}) == 1
    assert (target / "second").read_text() == "one"


def test_many_names_take_no_descriptors(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(300):
        (source / f"{number}").touch()
        os.link(source / f"{number}", source / f"{number}.too")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Not all below it are free: this process has run other tests.
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        target = copied(source, tmp_path / "target")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (target / "7").stat().st_nlink == 2


def test_what_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "source"
    place.mkdir()
    fd = os.open(place, _FOLDER)
    for _ in range(450):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", _FOLDER, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    with pytest.raises(ContainerError, match="more than 400 deep"):
        copied(place, tmp_path / "target")
