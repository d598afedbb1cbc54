"""builder.watch.scope: what a recipe reads is what is watched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.builder.inputs.build import BuildInputs
from lamina.builder.inputs.epoch import Epoch
from lamina.builder.inputs.recipe import RecipeInputs
from lamina.builder.watch.scope import Scope, scope_of, scope_of_all
from lamina.builder.watch.watcher import Area
from lamina.errors import LaminaError
from lamina.oci.store.store import Store
from tests.busybox import make_image, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    found = open_store(tmp_path_factory.mktemp("scope"))
    make_image(found)
    yield found
    found.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("src/deep", "docs", "node_modules/a", "assets"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("src/main.py", "package.json", "package-lock.json", "notes.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def inputs(root: Path, recipe: str, ignore: str = "", **more: object) -> BuildInputs:
    path = str(root / "Recipe")
    given = RecipeInputs("Recipe", recipe.encode(), path, str(root))
    epoch = Epoch(None, "a test")
    made = BuildInputs(given, str(root), ignore.encode(), "linux/amd64", epoch)
    return BuildInputs(**{**made.__dict__, **more})


class Watched:
    """A scope, asked with paths below the root; a trailing slash is a folder."""

    def __init__(self, scope: Scope, root: Path) -> None:
        self.scope = scope
        self.root = os.path.realpath(root)

    def wants(self, path: str) -> bool:
        is_directory = path.endswith("/")
        return self.scope.wants(f"{self.root}/{path.rstrip('/')}", is_directory)

    def areas(self) -> set[tuple[str, bool]]:
        areas: set[Area] = set(self.scope.areas())
        return {(os.path.relpath(a.path, self.root), a.deep) for a in areas}


def watched(
    store: Store, root: Path, recipe: str, ignore: str = "", **more: object
) -> Watched:
    return Watched(scope_of(store, inputs(root, recipe, ignore, **more), ()), root)


def test_only_what_a_step_reads_is_watched(store: Store, root: Path) -> None:
    seen = watched(store, root, "FROM busybox\nCOPY src /src\n")
    assert seen.areas() == {("src", True), (".", False)}
    assert seen.wants("src/main.py")
    assert seen.wants("src/deep/new.py")
    assert not seen.wants("notes.txt")
    assert not seen.wants("docs/")
    assert not seen.wants("src-not/main.py")


def test_the_recipe_and_what_it_ignores_are_watched(store: Store, root: Path) -> None:
    seen = watched(store, root, "FROM busybox\nCOPY src /src\n")
    assert seen.wants("Recipe")
    assert seen.wants("Recipe.dockerignore")
    assert seen.wants(".dockerignore")


def test_a_stage_that_is_not_needed_reads_nothing(store: Store, root: Path) -> None:
    recipe = "FROM busybox AS other\nCOPY docs /docs\nFROM busybox\nCOPY src /src\n"
    assert not watched(store, root, recipe).wants("docs/a.md")


def test_ignored_trees_are_not_entered(store: Store, root: Path) -> None:
    ignore = "node_modules\n*.txt\n!notes.txt\n"
    seen = watched(store, root, "FROM busybox\nCOPY . /app\n", ignore)
    assert not seen.wants("node_modules/")
    assert not seen.wants("other.txt")
    assert seen.wants("notes.txt")
    assert seen.wants("src/main.py")


def test_a_folder_with_an_exception_in_it_is_entered(store: Store, root: Path) -> None:
    ignore = "docs\n!docs/kept.md\n"
    seen = watched(store, root, "FROM busybox\nCOPY . /app\n", ignore)
    assert seen.wants("docs/")
    assert seen.wants("docs/kept.md")
    assert not seen.wants("docs/other.md")


def test_wildcards_choose(store: Store, root: Path) -> None:
    seen = watched(store, root, "FROM busybox\nCOPY package*.json /app/\n")
    assert seen.wants("package.json")
    assert seen.wants("package-new.json")
    assert not seen.wants("notes.txt")
    assert not seen.wants("node_modules/")


def test_bind_mounts_are_read(store: Store, root: Path) -> None:
    recipe = "FROM busybox\nRUN --mount=type=bind,source=assets,target=/a ls /a\n"
    seen = watched(store, root, recipe)
    assert seen.wants("assets/logo.svg")
    assert not seen.wants("src/main.py")


def test_named_contexts_are_read(store: Store, root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    recipe = "FROM busybox\nCOPY --from=lib a.py /lib/\n"
    seen = watched(store, root, recipe, contexts={"lib": str(other)})
    assert seen.scope.wants(os.path.realpath(other / "a.py"), False)
    assert not seen.scope.wants(os.path.realpath(other / "b.py"), False)


def test_a_source_that_is_a_link_leads_on(store: Store, root: Path) -> None:
    (root / "current").symlink_to("src")
    seen = watched(store, root, "FROM busybox\nCOPY current /src\n")
    assert seen.wants("current")
    assert seen.wants("src/main.py")


def test_what_a_recipe_includes_is_watched(store: Store, root: Path) -> None:
    (root / "parts").mkdir()
    (root / "parts/run.inc").write_text("RUN true\n")
    recipe = 'FROM busybox\n{% include "parts/run.inc" %}\n'
    seen = watched(store, root, recipe)
    assert seen.wants("parts/run.inc")
    assert not seen.wants("parts/other.inc")


def test_files_of_editors_do_not_count_unless_they_are_named(
    store: Store, root: Path
) -> None:
    seen = watched(store, root, "FROM busybox\nCOPY src /src\nCOPY old~ /old\n")
    assert not seen.wants("src/.main.py.swp")
    assert not seen.wants("src/4913")
    assert not seen.wants("src/main.py~")
    assert seen.wants("old~")


def test_git_counts_only_by_its_lock(store: Store, root: Path) -> None:
    (root / ".git/objects").mkdir(parents=True)
    seen = watched(store, root, "FROM busybox\nCOPY . /app\n")
    assert (".git", False) in seen.areas()
    assert seen.wants(".git/index.lock")
    assert not seen.wants(".git/index")
    assert not seen.wants(".git/objects/")
    assert not seen.wants("src/.git/index.lock")


def test_the_repository_may_begin_above_the_context(store: Store, root: Path) -> None:
    (root / ".git").mkdir()
    seen = watched(store, root / "src", "FROM busybox\nCOPY . /app\n")
    assert ("../.git", False) in seen.areas()
    assert seen.scope.wants(f"{os.path.realpath(root)}/.git/index.lock", False)


def test_the_same_recipe_gives_the_same_scope(store: Store, root: Path) -> None:
    recipe = "FROM busybox\nCOPY package*.json src /app/\n"
    first = scope_of(store, inputs(root, recipe, "docs\n"), ())
    assert first.is_as(scope_of(store, inputs(root, recipe, "docs\n"), ()))
    assert not first.is_as(scope_of(store, inputs(root, recipe), ()))
    assert not first.is_as(None)


def test_a_broken_recipe_has_the_whole_context_watched(
    store: Store, root: Path
) -> None:
    broken = inputs(root, "FORM busybox\n", "node_modules\n")
    with pytest.raises(LaminaError):
        scope_of(store, broken, ())
    seen = Watched(scope_of_all(broken, (f"{root}/.env",)), root)
    assert seen.wants("src/main.py")
    assert seen.wants("Recipe")
    assert seen.wants(".env")
    assert not seen.wants("node_modules/")
