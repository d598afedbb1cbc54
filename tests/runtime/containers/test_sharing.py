from __future__ import annotations

import threading
from pathlib import Path

from lamina.runtime.containers import sharing
from lamina.runtime.network.endpoint import Endpoint


def test_members_open_ports_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "groups").mkdir()
    at = ("10.0.0.2", 24, "10.0.0.1", "eth0", 1500, "02:00:00:00:00:02", "lm0")
    endpoint = Endpoint(*at, place=str(tmp_path), group="web")
    other = Endpoint(*at, place=str(tmp_path), group="db")
    first = sharing.lock(endpoint)
    sharing.lock(other).close()
    taken = threading.Event()

    def take() -> None:
        second = sharing.lock(endpoint)
        taken.set()
        second.close()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.2)
    first.close()
    thread.join()
    assert taken.is_set()
