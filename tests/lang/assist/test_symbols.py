from __future__ import annotations

from lamina.lang.assist.reading import read
from lamina.lang.assist.symbols import folds, symbols

TEXT = """ARG V=1
FROM debian:$V AS base
RUN <<EOF
make
EOF
FROM base
COPY a \\
  b /
CMD ["x"]
"""


def test_stages_hold_their_instructions() -> None:
    found = symbols(read("Dockerfile", TEXT))
    assert [(symbol.name, symbol.detail) for symbol in found] == [
        ("ARG", "V=1"),
        ("base", "debian:$V"),
        ("1", "base"),
    ]
    assert [inner.name for inner in found[2].inner] == ["COPY", "CMD"]
    assert found[1].place.text == TEXT[8 : TEXT.index("FROM base")].rstrip("\n")
    assert found[1].named.text == "base"


def test_places_are_in_one_another() -> None:
    for symbol in symbols(read("Dockerfile", TEXT)):
        for one in (symbol, *symbol.inner):
            assert symbol.place.start <= one.place.start
            assert one.place.end <= symbol.place.end
            assert one.place.start <= one.named.start <= one.named.end <= one.place.end


def test_what_can_be_folded() -> None:
    lines = [
        (span.line, span.line + span.text.count("\n"))
        for span in folds(read("Dockerfile", TEXT))
    ]
    assert {(2, 5), (3, 5), (6, 9), (7, 8)} <= set(lines)
