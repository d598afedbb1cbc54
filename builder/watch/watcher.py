"""Watcher: folders with all below them, by inotify where it goes, else by looking.

A directory that appears is watched first and read after, so that what is put in it
meanwhile is seen once or twice, and never not at all. What is not wanted (ignored
trees) is neither watched nor read.
"""

from __future__ import annotations

import os
import threading
import time

from lamina.builder.watch.errors import WatchLimit
from lamina.builder.watch.inotify import CREATED, GONE, MOVED_IN, Inotify
from lamina.builder.watch.polling import differences, scan
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.builder.watch.polling import Stamp, Wanted

# How often to look where there are no events, in seconds.
POLL = 0.5


@value
class Area:
    """A folder to watch: with all below it, or (`deep` false) its own names alone.

    It need not be there yet. Its path is a real one (os.path.realpath).
    """

    path: str
    deep: bool = True


@value
class Listener:
    """Who is told: a path that may have changed, and whether it is about to be written
    to; that events were lost; and, once, why some folders are only looked at now and
    then. Called from several threads."""

    changed: Callable[[str, bool], None]
    lost: Callable[[], None]
    limited: Callable[[WatchLimit], None]


class Watcher:
    """Watches areas from `watch` until `close`; without `events` by looking alone."""

    def __init__(
        self,
        listener: Listener,
        wanted: Wanted,
        poll: float = POLL,
        *,
        events: bool = True,
    ) -> None:
        self._listener = listener
        self._wanted = wanted
        self._poll = poll
        self._lock = threading.RLock()
        # The folders of the areas, and whether what is below them counts.
        self._areas: dict[str, bool] = {}
        self._watched: set[str] = set()
        # What is looked at, with all below it: its stamps when it was last.
        self._polled: dict[str, dict[str, Stamp]] = {}
        # Areas whose folder is not there.
        self._missing: set[str] = set()
        self._limited = False
        self._closed = threading.Event()
        self._poller: threading.Thread | None = None
        self._inotify = self._opened() if events else None

    def _opened(self) -> Inotify | None:
        try:
            return Inotify(self._happened, self._listener.lost)
        except WatchLimit as limit:
            self._limited = True
            self._listener.limited(limit)
            return None

    def watch(self, areas: Iterable[Area]) -> None:
        """Watch exactly these areas from now on; what stays watched misses nothing."""
        with self._lock:
            self._areas = {}
            for area in areas:
                self._areas[area.path] = self._areas.get(area.path, False) or area.deep
            self._missing &= self._areas.keys()
            for path in [*self._watched, *self._polled]:
                if path not in self._areas and not self._deep(os.path.dirname(path)):
                    self._forget(path)
            for path in self._areas:
                self._add(path)

    def close(self) -> None:
        """End all threads; nothing is told afterwards."""
        self._closed.set()
        if self._inotify is not None:
            self._inotify.close()
        if self._poller is not None:
            self._poller.join()

    def _deep(self, folder: str) -> bool:
        """Whether what lies below `folder` is watched as well."""
        while not self._areas.get(folder):
            above = os.path.dirname(folder)
            if above == folder:
                return False
            folder = above
        return True

    def _add(self, path: str) -> list[str]:
        """Watch a folder and, where it is deep, those below it; all names found."""
        found: list[str] = []
        waiting = [path]
        deep = self._deep(path)
        while waiting:
            folder = waiting.pop()
            if folder not in self._watched and not self._listen(folder):
                continue
            for entry in _entries(folder):
                is_directory = entry.is_dir(follow_symlinks=False)
                if self._wanted(entry.path, is_directory):
                    found.append(entry.path)
                    if is_directory and deep:
                        waiting.append(entry.path)
        return found

    def _listen(self, folder: str) -> bool:
        """Watch one folder by events; else by looking, with what is below it."""
        if any(_is_in(folder, polled) for polled in self._polled):
            return False
        try:
            heard = self._inotify is not None and self._inotify.add(folder)
        except WatchLimit as limit:
            if not self._limited:
                self._limited = True
                self._listener.limited(limit)
            heard = False
        if heard:
            self._watched.add(folder)
            self._missing.discard(folder)
        elif os.path.isdir(folder):
            self._missing.discard(folder)
            self._polled[folder] = self._scan(folder)
            self._look_now_and_then()
        elif folder in self._areas:
            self._missing.add(folder)
            self._look_now_and_then()
        return heard

    def _scan(self, folder: str) -> dict[str, Stamp]:
        if self._deep(folder):
            return scan([folder], self._wanted)
        return scan([folder], lambda path, _: os.path.dirname(path) == folder)

    def _look_now_and_then(self) -> None:
        if self._poller is None:
            self._poller = threading.Thread(target=self._look, name="lamina-poll")
            self._poller.start()

    def _look(self) -> None:
        while not self._closed.wait(self._poll):
            for folder in [*self._polled]:
                now = self._scan(folder)
                with self._lock:
                    before = self._polled.get(folder)
                    if before is None:
                        continue
                    self._polled[folder] = now
                for path in differences(before, now):
                    self._listener.changed(path, False)
            self._look_for_missing()

    def _look_for_missing(self) -> None:
        found: list[str] = []
        with self._lock:
            for folder in [*self._missing]:
                if os.path.isdir(folder):
                    found += [folder, *self._add(folder)]
        for path in found:
            self._listener.changed(path, False)

    def _forget(self, path: str) -> None:
        """Watch a folder, and what is below it, no longer."""
        for known in [known for known in self._watched if _is_in(known, path)]:
            self._watched.discard(known)
            if self._inotify is not None:
                self._inotify.remove(known)
        for known in [known for known in self._polled if _is_in(known, path)]:
            del self._polled[known]

    def _happened(self, folder: str, name: str, what: str, is_directory: bool) -> None:
        """An event: in the thread that reads them."""
        path = f"{folder}/{name}" if name else folder
        new: list[str] = []
        with self._lock:
            if folder not in self._watched:
                return
            if name and not self._wanted(path, is_directory):
                return
            if is_directory and what == GONE:
                self._forget(path)
                self._miss(path)
            elif is_directory and what in (CREATED, MOVED_IN) and self._counts(path):
                self._forget(path)
                new = self._add(path)
        self._listener.changed(path, what == CREATED and not is_directory)
        for inner in new:
            self._listener.changed(inner, False)

    def _counts(self, path: str) -> bool:
        return path in self._areas or self._deep(os.path.dirname(path))

    def _miss(self, path: str) -> None:
        """Wait for areas that went with `path` to come back."""
        gone = {area for area in self._areas if _is_in(area, path)}
        if gone:
            self._missing |= gone
            self._look_now_and_then()


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def hears(folder: str, patience: float = 0.05) -> bool:
    """Whether events come from the file system of `folder`, by trying it: NFS, 9p and
    some FUSE systems tell nothing of what others do."""
    heard = threading.Event()
    listener = Listener(lambda *_: heard.set(), heard.set, lambda _: None)
    watcher = Watcher(listener, lambda _path, _is_directory: True)
    probe = f"{folder}/.lamina-{os.getpid()}-{time.monotonic_ns()}"
    try:
        watcher.watch([Area(folder, deep=False)])
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return heard.wait(patience)
    except OSError:
        # A folder that can't be written to may be watched all the same.
        return True
    finally:
        watcher.close()
        if os.path.lexists(probe):
            os.unlink(probe)
