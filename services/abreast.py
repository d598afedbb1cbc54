"""Several things at once, in threads: all are waited for, and one error raised."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def abreast(calls: Sequence[Callable[[], None]], most: int = 0) -> None:
    """Make all `calls`, `most` at a time (0: all). Raises the first error that one of
    them raised, when all have ended; after an error no further ones begin."""
    if len(calls) == 1:
        calls[0]()
        return
    room = threading.Semaphore(most or max(len(calls), 1))
    errors: list[BaseException] = []

    def work(call: Callable[[], None]) -> None:
        try:
            with room:
                if not errors:
                    call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
