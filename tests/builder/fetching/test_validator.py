"""By what a server is asked whether a file is still the one that it gave."""

from __future__ import annotations

from email.message import Message

import pytest

from lamina.builder.fetching.validator import Validator, validator

CHANGED = "Sun, 06 Nov 1994 08:49:37 GMT"
AT = 784111777


def answer(**headers: str) -> Message:
    """An answer's headers."""
    made = Message()
    for name, content in headers.items():
        made[name.replace("_", "-")] = content
    return made


@pytest.mark.parametrize(
    ("date", "modified"),
    [
        # The second in which it changed, and the minute after.
        (CHANGED, ""),
        ("Sun, 06 Nov 1994 08:50:36 GMT", ""),
        ("Sun, 06 Nov 1994 08:50:37 GMT", CHANGED),
        # A server whose clock is behind the file's.
        ("Sun, 06 Nov 1994 08:40:37 GMT", ""),
    ],
)
def test_a_date_is_a_validator_once_it_is_a_minute_old(
    date: str, modified: str
) -> None:
    made = validator(answer(Last_Modified=CHANGED, Date=date), now=AT + 10**6)
    assert made == Validator("", modified)


@pytest.mark.parametrize(("now", "modified"), [(AT + 59, ""), (AT + 60, CHANGED)])
@pytest.mark.parametrize("date", [{}, {"Date": "today"}])
def test_where_no_date_is_told_our_clock_counts(
    date: dict[str, str], now: int, modified: str
) -> None:
    told = answer(Last_Modified=CHANGED, **date)
    assert validator(told, now).modified == modified


def test_an_etag_is_asked_for_alone() -> None:
    told = answer(ETag='"1"', Last_Modified=CHANGED, Date=CHANGED)
    assert validator(told).headers() == {"If-None-Match": '"1"'}
    assert Validator("", CHANGED).headers() == {"If-Modified-Since": CHANGED}
    assert Validator().headers() == {}
    assert validator(answer(Last_Modified="yesterday")) == Validator()
