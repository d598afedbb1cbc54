"""The corpus of the compose files' fuzz target again, and pieces of it put together."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.compose_files import BETWEEN, compose_files

CORPUS = sorted((Path(__file__).parent / "compose").iterdir())
PIECES = [b"", b"!reset ", b"!override ", b"&a ", b"*a", b"<<: *a", b"${A", b"\n", b"["]


def test_the_corpus() -> None:
    assert CORPUS
    assert sum(file.stat().st_size for file in CORPUS) < 100_000
    for file in CORPUS:
        compose_files(file.read_bytes())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutations(data: st.DataObject) -> None:
    """A file with a piece cut out, doubled or replaced, over another one."""
    texts = [data.draw(st.sampled_from(CORPUS)).read_bytes() for _ in range(2)]
    start = data.draw(st.integers(0, len(texts[0])))
    end = data.draw(st.integers(start, min(len(texts[0]), start + 30)))
    piece = data.draw(st.sampled_from([*PIECES, texts[0][start:end] * 2]))
    changed = texts[0][:start] + piece + texts[0][end:]
    compose_files(BETWEEN.join([changed, texts[1]]))
