"""Another try: after a pause that grows, with jitter, or when the server says.

Jitter spreads clients that failed together (full jitter of the AWS Architecture Blog,
2015, of which half is kept as a floor).
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from typing import TypeVar

from lamina.oci.registry.errors import RegistryError
from lamina.oci.threads import NEVER, Stop
from lamina.values import value

T = TypeVar("T")

# Tries of what is rather a typing error: an unknown name, a closed port.
_BRIEF = 3


@value
class Patience:
    """How often to try and how long to pause (seconds); `asked` is the most that a
    server may ask for with Retry-After."""

    attempts: int = 6
    first: float = 0.5
    longest: float = 20.0
    asked: float = 120.0
    sleep: Callable[[Stop, float], object] = Stop.wait
    random: Callable[[], float] = random.random

    def pause(self, attempt: int, error: RegistryError, stop: Stop = NEVER) -> bool:
        """Wait before the try after number `attempt`; false when there is none.

        Raises Stopped at `stop`, which ends the wait.
        """
        stop.check()
        attempts = min(self.attempts, _BRIEF) if error.brief else self.attempts
        if not error.passing or attempt >= attempts:
            return False
        delay = min(self.longest, self.first * 2 ** (attempt - 1))
        delay *= 0.5 + self.random() / 2
        if error.after is not None:
            if error.after > self.asked:
                return False
            delay = max(delay, error.after)
        self.sleep(stop, delay)
        stop.check()
        return True


def persistently(work: Callable[[], T], patience: Patience, stop: Stop = NEVER) -> T:
    """What `work` gives, once it raises nothing that passes by itself."""
    attempt = 1
    while True:
        try:
            return work()
        except RegistryError as error:
            if not patience.pause(attempt, error, stop):
                raise
        attempt += 1


def retry_after(text: str, now: float | None = None) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds from now: a number or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, then - (time.time() if now is None else now))
