"""Validator: by which header of an answer its file is asked for again (RFC 9110)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lamina.values import value

if TYPE_CHECKING:
    from email.message import Message

# Last-Modified counts in seconds, and the server's clock need not be the file's, nor
# ours: a file that was younger may have changed since without a newer date
# (RFC 9110 8.8.2.2). It is fetched once more instead, and is old enough by then.
_SETTLED = 60


@value
class Validator:
    """What a server called the file that it gave; "" is nothing to go by."""

    etag: str = ""
    modified: str = ""

    def headers(self) -> dict[str, str]:
        """What to ask with, so that a file that is still the same does not come again.

        RFC 9110 13.1.3: a server that has an ETag does not look at the date.
        """
        if self.etag:
            return {"If-None-Match": self.etag}
        return {"If-Modified-Since": self.modified} if self.modified else {}


def validator(answer: Message, now: float | None = None) -> Validator:
    """The validator of an answer's file; `now` (Unix seconds) is when it was asked for.

    A date is one only if the file had rested for a minute when the answer was made.
    """
    changed, made = seconds(answer["Last-Modified"]), seconds(answer["Date"])
    if made is None:
        made = time.time() if now is None else now
    settled = changed is not None and made - changed >= _SETTLED
    return Validator(answer["ETag"] or "", answer["Last-Modified"] if settled else "")


def seconds(date: str | None) -> float | None:
    """A header's date as Unix seconds, None for what is none."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
