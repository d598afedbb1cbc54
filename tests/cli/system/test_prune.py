"""`lamina system prune`: what the filters and the sizes choose, and what stays."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.caching.cache import record
from lamina.builder.solving.cachekey import CacheKey
from lamina.cli.main import main
from lamina.cli.system.collecting import is_due
from lamina.oci.digest import Digest
from lamina.oci.layers.pack import Times, pack
from lamina.oci.store.store import Layer, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(str(tmp_path / "store"))
    yield opened
    opened.close()


def make_step(store: Store, kind: str, text: str, used: int) -> str:
    """A step that made one file with `text`; the first digits of its key."""
    with store.workspace() as space:
        upper = space.directory("upper")
        Path(upper, "file").write_text(text)
        packed = pack(upper, Times(None, 0), None, store.xattrs)
        made = Layer(packed.content, packed.diff_id, packed.bytes, packed.entries, 0)
        store.publish_layer(upper, made)
    fields = json.dumps({"kind": kind, "text": text})
    key = CacheKey(Digest.of(fields.encode()), fields)
    record(store, key, (made.content,), f"[app 1/1] {kind.upper()} {text}")
    store.index.rows("UPDATE step SET used=? WHERE key=?", used, key.digest)
    return key.digest[7:19]


def make_mount(store: Store, identity: str, used: int = 100) -> None:
    name = Digest.of(identity.encode()).hex
    place = Path(store.root, "caches", name)
    (place / "0").mkdir(parents=True)
    (place / "0" / "file").write_text("kept")
    (place / "about.json").write_text(json.dumps({"id": identity, "seed": ""}))
    (place / "0.asked").write_text("755 0 0")
    os.utime(place / "0.asked", (used, used))


def make_download(store: Store, used: int) -> None:
    path = Path(store.root, "downloads", "0" * 64)
    path.parent.mkdir(exist_ok=True)
    path.write_text("fetched")
    os.utime(path, (used, used))


def left(store: Store) -> dict[str, set[str]]:
    """What is there: keys of steps, ids of mounts, downloads."""
    mounts = Path(store.root).glob("caches/*/about.json")
    keys = store.index.rows("SELECT key FROM step")
    return {
        "steps": {key[7:19] for (key,) in keys},
        "mounts": {json.loads(path.read_text())["id"] for path in mounts},
        "fetched": {path.name for path in Path(store.root).glob("downloads/*")},
    }


def prune(store: Store, *words: str, code: int = 0) -> None:
    assert main(["--root", store.root, "system", "prune", "-f", *words]) == code


def test_cache_mounts_stay_whatever_is_pruned(store: Store) -> None:
    make_mount(store, "/root/.cache")
    make_download(store, 100)
    make_step(store, "run", "one", 100)
    prune(store, "-a")
    assert left(store) == {"steps": set(), "mounts": {"/root/.cache"}, "fetched": set()}
    prune(store, "-a", "--filter", "until=1s", "--max-used-space", "0")
    assert left(store)["mounts"] == {"/root/.cache"}


def test_cache_mounts_go_when_they_are_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for identity, used in (("/a", 100), ("/b", 100), ("/c", 1 << 40)):
        make_mount(store, identity, used)
    kept = make_step(store, "run", "one", 100)
    prune(store, "--filter", "type=exec.cachemount", "--filter", "id=/a")
    assert left(store)["mounts"] == {"/b", "/c"}
    prune(store, "--filter", "type=cache-mount", "--filter", "until=1h")
    assert left(store) == {"steps": {kept}, "mounts": {"/c"}, "fetched": set()}
    capsys.readouterr()
    prune(store, "--cache-mounts")
    assert "emptied the cache mount /c" in capsys.readouterr().out
    assert left(store)["mounts"] == set()


def test_kinds_ids_and_age(store: Store) -> None:
    run, copy = make_step(store, "run", "1", 100), make_step(store, "copy", "2", 200)
    make_download(store, 100)
    prune(store, "--filter", "type=add")
    assert left(store)["steps"] == {run, copy}
    prune(
        store, "--filter", "type=copy", "--filter", "type=run", "--filter", "until=150"
    )
    assert left(store)["steps"] == {copy}
    prune(store, "--filter", f"id={copy[:4]}")
    assert left(store)["steps"] == set()
    assert left(store)["fetched"] != set()
    prune(store, "--filter", "type=source.http")
    assert left(store)["fetched"] == set()


@pytest.mark.parametrize("flags", [("-a",), ("--filter", "type=regular")])
def test_what_a_clock_that_was_ahead_left(store: Store, flags: tuple[str, ...]) -> None:
    make_step(store, "run", "1", int(time.time()) + 400 * 86400)
    store.index.rows("UPDATE step SET created=used")
    store.index.rows("UPDATE layer SET created=(SELECT used FROM step)")
    make_download(store, int(time.time()) + 400 * 86400)
    prune(store, *flags)
    assert left(store)["steps"] == set()
    assert os.listdir(f"{store.root}/layers") == []
    assert (left(store)["fetched"] == set()) == ("-a" in flags)


def test_a_collection_is_due_when_the_clock_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "gc"
    path.touch()
    now = time.time()
    os.utime(path, (now + 3600, now + 3600))
    assert not is_due(path.stat(), now)
    assert is_due(path.stat(), now + 3601)
    assert not is_due(path.stat(), now - 60)
    assert is_due(path.stat(), now - 86400)


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        (("--max-used-space", "20"), {1, 2}),
        (("--keep-storage", "10"), {2}),
        (("--reserved-space", "10"), {2}),
        (("--max-used-space", "1", "--reserved-space", "20"), {1, 2}),
        (("--min-free-space", "100%"), set()),
        (("--min-free-space", "100%", "--reserved-space", "10"), {2}),
        (("--max-used-space", "0"), set()),
        (("--max-used-space", "1GB"), {0, 1, 2}),
        (("--max-used-space", "0", "--filter", "type=copy"), {0, 1, 2}),
    ],
)
def test_the_longest_unused_goes_first(
    store: Store, flags: tuple[str, ...], kept: set[int]
) -> None:
    keys = [make_step(store, "run", f"{number}" * 10, number) for number in range(3)]
    prune(store, *flags)
    assert left(store)["steps"] == {keys[number] for number in kept}


def make_root(store: Store, name: str, age: float) -> None:
    """What the failed step of a build left, so many seconds ago."""
    folder = Path(store.root, "builds", name)
    (folder / "root").mkdir(parents=True)
    (folder / "root" / "file").write_text("half")
    (folder / "trace").write_text("{}\n")
    os.utime(folder / "trace", (time.time() - age,) * 2)


def roots(store: Store) -> set[str]:
    return {path.parent.name for path in Path(store.root).glob("builds/*/root")}


def test_what_failed_steps_left_goes_with_the_cache(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, age in (("a" * 12, 8 * 86400), ("b" * 12, 3600), ("c" * 12, 0)):
        make_root(store, name, age)
    prune(store, "--filter", "type=run")
    assert len(roots(store)) == 3
    capsys.readouterr()
    prune(store)
    assert capsys.readouterr().out == "Total reclaimed space: 4B\n"
    assert roots(store) == {"b" * 12, "c" * 12}
    prune(store, "--filter", "until=30m")
    assert roots(store) == {"c" * 12}
    prune(store, "-a")
    assert roots(store) == set()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--filter", "typ=run"), 1),
        (("--filter", "type=walk"), 1),
        (("--filter", "label"), 125),
        (("--filter", "label=a", "--filter", "type=run"), 1),
        (("--filter", "until=later"), 1),
        (("--max-used-space", "much"), 1),
    ],
)
def test_wrong_words(store: Store, words: tuple[str, ...], code: int) -> None:
    kept = make_step(store, "run", "one", 100)
    prune(store, *words, code=code)
    assert left(store)["steps"] == {kept}


def test_what_each_costs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    key = make_step(store, "run", "make\x1b[1m " + "x" * 80, 100)
    make_mount(store, "/root/.cache")
    make_download(store, 100)
    assert main(["--root", store.root, "system", "df", "-v"]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith(key)]
    assert line.split()[1:5] == ["run", "[app", "1/1]", "RUN"]
    assert "\x1b" not in line
    assert "89B" in line
    (line,) = [line for line in out.splitlines() if line.startswith("/root/.cache")]
    assert line.split()[1:3] == ["1", "4B"]
    assert "source.http" in out
    assert main(["--root", store.root, "system", "df"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[5].split()[:5] == ["Cache", "Mounts", "1", "0", "4B"]
    assert lines[6].split()[:5] == ["Fetched", "Sources", "1", "0", "7B"]
