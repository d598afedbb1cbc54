"""builder.watch.results: the newest results stay, the others go."""

from __future__ import annotations

from pathlib import Path

from lamina.builder.events import StepDone, StepStarted
from lamina.builder.watch.results import Results
from lamina.oci.digest import Digest
from lamina.oci.reference import parse_reference
from lamina.oci.store.store import Store
from tests.busybox import make_image, open_store, publish


def image(store: Store, text: str) -> Digest:
    """An image of busybox and a file, as a build makes it: with a row in the cache."""
    base = store.image(store.resolve_id("busybox") or Digest(""))
    with store.workspace() as space:
        folder = Path(space.directory("upper"))
        (folder / "file").write_text(text)
        layer = publish(store, str(folder))
    store.index.rows(
        "INSERT OR REPLACE INTO step VALUES (?,?,?,?,0,0,'')",
        *(f"sha256:{text}", '{"kind": "copy"}', layer.content, layer.content),
    )
    diff_ids = (*base.config.diff_ids, layer.diff_id)
    config = type(base.config)(**{**base.config.__dict__, "diff_ids": diff_ids})
    return store.put_image(config, [*base.layers, layer.content]).id


def built(results: Results, store: Store, text: str, seconds: float = 0.1) -> Digest:
    results.hear(StepStarted(1, "COPY", f"sha256:{text}"))
    results.hear(StepDone(1, "COPY", seconds, True))
    made = image(store, text)
    results.add(made)
    return made


def rows(store: Store) -> set[str]:
    return {key[7:] for (key,) in store.index.rows("SELECT key FROM step")}


def test_only_the_newest_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    make_image(store)
    results = Results(store, kept=2, more=2)
    made = [built(results, store, text) for text in "abcd"]
    results.trim()
    assert [store.has_image(identity) for identity in made] == [0, 0, 1, 1]
    assert rows(store) == {"c", "d"}
    # Two of busybox and one each.
    assert len(list((tmp_path / "store/layers").iterdir())) == 4
    store.close()


def test_nothing_goes_before_there_are_many(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    make_image(store)
    results = Results(store, kept=2, more=2)
    made = [built(results, store, text) for text in "abc"]
    results.trim()
    assert all(store.has_image(identity) for identity in made)
    store.close()


def test_what_has_a_name_or_took_long_stays(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    make_image(store)
    results = Results(store, kept=1, more=1)
    named, slow = built(results, store, "a"), built(results, store, "b", 5.0)
    store.tag(parse_reference("mine"), named)
    built(results, store, "c")
    results.trim()
    assert store.has_image(named)
    assert not store.has_image(slow)
    # The layer is there for the row of the cache.
    assert rows(store) == {"b", "c"}
    assert len(list((tmp_path / "store/layers").iterdir())) == 5
    store.close()


def test_what_was_undone_is_new_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    make_image(store)
    results = Results(store, kept=2, more=1)
    first, second, _ = (built(results, store, text) for text in "abc")
    results.add(first)
    results.trim()
    assert store.has_image(first)
    assert not store.has_image(second)
    store.close()


def test_while_others_build_nothing_goes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    make_image(store)
    results = Results(store, kept=1, more=1)
    made = [built(results, store, text) for text in "abc"]
    with store.workspace():
        results.trim()
        assert all(store.has_image(identity) for identity in made)
    results.trim()
    assert [store.has_image(identity) for identity in made] == [0, 0, 1]
    store.close()
