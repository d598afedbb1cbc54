"""Inotify: the door to watchdog, of which only the lowest layer is used.

Its observers hold back what follows an unpaired move for half a second, subscribe to
reads (ours too), and tell nobody of a full queue or of a limit (measured); its
InotifyFD is a plain thread over inotify(7), and takes a mask.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, cast

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from lamina.builder.watch.errors import WatchLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    Happened = Callable[[str, str, str, bool], None]

# A name that came with its content; one that was made empty, to be written; one that
# went; and a file that was closed after writing, or has other attributes.
MOVED_IN = "moved in"
CREATED = "created"
GONE = "gone"
SAVED = "saved"

# A file counts when it was closed, not at each write(2); links are looked at and not
# followed; what was unlinked while it is open is nobody's any more.
_MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
    | InotifyConstants.IN_ONLYDIR
)
_ID = cast(CallbackId, 0)


class Inotify:
    """Watches directories, each by itself.

    `happened(directory, name, what, is_directory)` is called from one thread, for a
    name in a watched directory ("": for the directory itself, which is gone); `what`
    is MOVED_IN, CREATED, GONE or SAVED. `overflowed()` is called when the kernel
    dropped events (max_queued_events).
    """

    def __init__(
        self,
        happened: Happened,
        overflowed: Callable[[], None],
    ) -> None:
        self._happened = happened
        self._overflowed = overflowed
        self._descriptors: dict[str, WatchDescriptor] = {}
        try:
            self._inotify = InotifyFD()
        except OSError as error:
            raise WatchLimit(
                "No more inotify instances may be made (fs.inotify.max_user_instances)."
            ) from error
        self._inotify.start()

    def add(self, directory: str) -> bool:
        """Watch a directory; False when it is not there, or is none, or is closed to
        us. Raises WatchLimit at fs.inotify.max_user_watches."""
        callback = _Directory(directory, self._happened, self._overflowed)
        path = os.fsencode(directory)
        try:
            found = self._inotify.add_callback(path, _MASK, callback, _ID)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise WatchLimit(
                    "No more directories may be watched (fs.inotify.max_user_watches)."
                ) from error
            return False
        # watchdog gives -1 for what may not be read.
        if found == -1:
            return False
        self._descriptors[directory] = found
        return True

    def remove(self, directory: str) -> None:
        """Watch a directory no longer, wherever it may be by now."""
        found = self._descriptors.pop(directory, None)
        if found is not None:
            self._inotify.remove_callbacks([(found, _ID)])

    def close(self) -> None:
        """End the thread and all watches."""
        self._inotify.stop()
        self._inotify.join()


class _Directory:
    """What watchdog calls for one directory (its WatchCallback)."""

    def __init__(
        self,
        path: str,
        happened: Happened,
        overflowed: Callable[[], None],
    ) -> None:
        self._path = path
        self._happened = happened
        self._overflowed = overflowed

    def on_event(self, event: InotifyEvent) -> None:
        own = event.is_delete_self or event.is_move_self
        name = "" if own else os.fsdecode(event.name)
        what = SAVED
        if own or event.is_delete or event.is_moved_from:
            what = GONE
        elif event.is_create:
            what = CREATED
        elif event.is_moved_to:
            what = MOVED_IN
        if name or own:
            self._happened(self._path, name, what, event.is_directory)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel dropped the watch: the event before this one told why."""

    def on_queue_overflow(self) -> None:
        self._overflowed()
