"""builder.watch.contents: what was saved and is as it was has not changed."""

from __future__ import annotations

from pathlib import Path

from lamina.builder.watch.contents import Contents


def test_the_same_bytes_again_are_no_change(tmp_path: Path) -> None:
    contents, path = Contents(), tmp_path / "a"
    path.write_text("1")
    assert contents.changed([str(path)]) == {str(path)}
    path.write_text("1")
    assert contents.changed([str(path)]) == frozenset()
    path.write_text("2")
    assert contents.changed([str(path)]) == {str(path)}


def test_mode_links_and_absence_count(tmp_path: Path) -> None:
    contents, path = Contents(), tmp_path / "a"
    seen = []
    path.write_text("1")
    seen.append(bool(contents.changed([str(path)])))
    path.chmod(0o755)
    seen.append(bool(contents.changed([str(path)])))
    path.unlink()
    seen.append(bool(contents.changed([str(path)])))
    seen.append(bool(contents.changed([str(path)])))
    path.symlink_to("x")
    seen.append(bool(contents.changed([str(path)])))
    path.unlink()
    path.symlink_to("y")
    seen.append(bool(contents.changed([str(path)])))
    assert seen == [True, True, True, False, True, True]


def test_a_checkout_is_not_read(tmp_path: Path) -> None:
    contents = Contents()
    paths = {str(tmp_path / str(number)) for number in range(1000)}
    assert contents.changed(paths) == paths
    assert contents.changed(paths) == paths


def test_a_large_file_counts_each_time(tmp_path: Path) -> None:
    contents, path = Contents(), tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(5 << 20)
    for _ in range(2):
        assert contents.changed([str(path)]) == {str(path)}


def test_it_does_not_remember_for_ever(tmp_path: Path) -> None:
    contents = Contents()
    for number in range(5000):
        contents.changed([str(tmp_path / str(number))])
    assert len(contents._known) <= 4096
