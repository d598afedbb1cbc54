"""Any archive, unpacked and packed."""

from __future__ import annotations

import os
import string
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oci.layers.packs import packed
from tests.oci.tars import (
    Member,
    directory,
    entry,
    hard_link,
    symlink,
    tar,
    tree,
    unpack,
)

pytestmark = pytest.mark.root

COMPONENT = st.one_of(
    st.text(string.ascii_letters + "._- ", min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1),
    st.sampled_from(["x" * 99, "x" * 100, "x" * 101, "y" * 255, "größe"]),
    st.binary(min_size=1, max_size=6).map(
        lambda b: os.fsdecode(b.replace(b"/", b"_").replace(b"\0", b"_"))
    ),
).filter(
    lambda n: n not in (".", "..") and ".wh." not in n and len(os.fsencode(n)) <= 255
)
PATH = st.lists(COMPONENT, min_size=1, max_size=4).map("/".join)
ATTRIBUTES = st.dictionaries(
    st.text(string.ascii_lowercase + "=%.", min_size=1, max_size=8).map(
        lambda key: f"user.{key}x"
    ),
    st.binary(max_size=40),
    max_size=2,
)
MEMBER = st.tuples(
    PATH,
    st.sampled_from("fffdls"),
    st.binary(max_size=2000),
    st.integers(0, 0o7777),
    st.integers(0, 3_000_000),
    st.integers(-(1 << 31), 1 << 33),
    ATTRIBUTES,
)


def member(
    path: str, kind: str, content: bytes, mode: int, owner: int, mtime: int
) -> Member:
    fields = {"mode": mode, "uid": owner, "gid": owner // 2, "mtime": mtime}
    if kind == "d":
        return directory(path, **fields)
    if kind == "l":
        made = symlink(path, "../" + path)
        made.uid, made.mtime = owner, mtime
        return made
    return entry(path, content, **fields)


def as_record(attribute: tuple[str, bytes]) -> tuple[str, str]:
    key = attribute[0].replace("%", "%25").replace("=", "%3D")
    return f"SCHILY.xattr.{key}", os.fsdecode(attribute[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(MEMBER, max_size=8), st.sampled_from([1, 2]), st.integers(0, 3))
def test_whatever_is_unpacked_packs_to_the_same_again(
    members: list[tuple[str, str, bytes, int, int, int, dict[str, bytes]]],
    form: int,
    links: int,
) -> None:
    taken: dict[str, str] = {}
    made: list[Member] = []
    for path, kind, content, mode, owner, mtime, attributes in members:
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        if path in taken or any(taken.get(name, "d") != "d" for name in above):
            continue
        taken |= dict.fromkeys(above, "d") | {path: kind}
        info = member(path, kind, content, mode, owner, mtime)
        if form == tarfile.PAX_FORMAT and kind in "fd":
            info.pax_headers = dict(map(as_record, attributes.items()))
        made.append(info)
        if links and kind == "f" and f"{path[:200]}+" not in taken:
            taken[f"{path[:200]}+"] = "f"
            if len(os.fsencode(path[:200].rpartition("/")[2])) < 255:
                made.append(hard_link(f"{path[:200]}+", path))
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "1"), Path(folder, "2")
        unpack(tar(*made, format=form), first)
        done, data = packed(first)
        unpack(data, second)
        assert packed(second)[0] == done
        assert tree(second) == tree(first)
        assert done.entries == len(tree(first))
