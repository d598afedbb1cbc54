"""builder.preview: what a build would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.build import build
from lamina.builder.events import silent
from lamina.builder.inputs.build import BuildInputs
from lamina.builder.inputs.epoch import find_epoch
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.builder.preview import Preview, preview
from lamina.oci.platforms import host_platform
from lamina.oci.store.store import Store
from tests.busybox import open_store

RECIPE = """
FROM scratch AS one
COPY a /a
COPY b /b
FROM nowhere.example/none:1 AS two
COPY --from=one /a /
RUN true
FROM bootstrap:debian/bookworm AS three
FROM scratch
COPY --from=one /b /b
COPY --from=two / /
COPY --from=three / /
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def inputs(folder: Path, text: str, *targets: str) -> BuildInputs:
    recipe = RecipeInputs("Recipe", text.encode(), "", str(folder))
    epoch = find_epoch("1", None, str(folder))
    platform = str(host_platform())
    return BuildInputs(recipe, str(folder), b"", platform, epoch, targets)


def names(seen: Preview, indices: frozenset[int]) -> list[str]:
    return [seen.graph.steps[index].name for index in sorted(indices)]


def test_nothing_is_looked_for_or_made(store: Store, tmp_path: Path) -> None:
    seen = preview(store, inputs(tmp_path, RECIPE), silent, ask_cache=False)
    assert len(seen.graph.steps) == 11
    assert not seen.cached and not seen.runs


def test_the_cache_says_what_would_run(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    def asked() -> Preview:
        return preview(store, inputs(tmp_path, RECIPE), silent, ask_cache=True)

    assert names(asked(), asked().runs) == ["[one 2/3] COPY a /a"]
    build(store, inputs(tmp_path, RECIPE, "one"), silent)
    seen = asked()
    assert names(seen, seen.cached) == ["[one 2/3] COPY a /a", "[one 3/3] COPY b /b"]
    assert names(seen, seen.runs) == ["[stage-3 2/4] COPY --from=one /b /b"]
    (tmp_path / "b").write_text("other")
    seen = asked()
    assert names(seen, seen.cached) == ["[one 2/3] COPY a /a"]
    assert names(seen, seen.runs) == ["[one 3/3] COPY b /b"]
    (tmp_path / "a").unlink()
    assert names(asked(), asked().runs) == ["[one 2/3] COPY a /a"]


def test_what_only_the_network_knows_is_not_asked_for(
    store: Store, tmp_path: Path
) -> None:
    text = "FROM scratch\nADD http://127.0.0.1:9/nobody /there\nCOPY a /a\n"
    seen = preview(store, inputs(tmp_path, text), silent, ask_cache=True)
    assert not seen.cached and not seen.runs
