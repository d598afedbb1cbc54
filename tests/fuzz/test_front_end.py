"""The corpus of the fuzz target again, and what it broke once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.front_end import front_end
from tests.lang.strategies import recipes

HERE = Path(__file__).parent
TEXTS = sorted(HERE.parent.glob("lang/goldens/*/*file")) + sorted(
    HERE.parent.glob("lang/goldens/*/Recipe")
)


def test_the_corpus() -> None:
    files = sorted((HERE / "corpus").iterdir())
    assert files
    assert sum(file.stat().st_size for file in files) < 200_000
    for file in files:
        front_end(file.read_bytes())


@pytest.mark.parametrize(
    "file", sorted((HERE / "crashes").iterdir()), ids=lambda file: file.name
)
def test_what_broke_once(file: Path) -> None:
    front_end(file.read_bytes())


def test_texts_of_other_tests() -> None:
    for file in TEXTS:
        front_end(file.read_bytes())


@settings(max_examples=60, deadline=None)
@given(recipes(), st.data())
def test_mutations(text: str, data: st.DataObject) -> None:
    """A recipe with a piece cut out, doubled or replaced."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    piece = data.draw(
        st.sampled_from(["", text[start:end] * 2, '"', "\\\n", "<<A", "${"])
    )
    front_end((text[:start] + piece + text[end:]).encode())
