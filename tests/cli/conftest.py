"""An ordinary user's command makes a user namespace, and this process would be in it.

The kernel lets only a process of one thread do that, and a worker of pytest-xdist has
more: there each test has a process of its own, which a fork makes of one thread.
"""

from __future__ import annotations

import json
import os

import pytest
from _pytest.runner import runtestprotocol


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if os.geteuid() == 0 or len(os.listdir("/proc/self/task")) == 1:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for data in _in_a_child(item):
        made = hook.pytest_report_from_serializable(config=item.config, data=data)
        hook.pytest_runtest_logreport(report=made)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _in_a_child(item: pytest.Item) -> list[object]:
    """The reports of a test, which a child has run with all of its fixtures."""
    # The children's folders lie side by side.
    item.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            reports = runtestprotocol(item, log=False, nextitem=None)
            write = item.ihook.pytest_report_to_serializable
            data = [write(config=item.config, report=report) for report in reports]
            with open(writer, "w") as file:
                json.dump(data, file)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    assert text, f"the process of {item.nodeid} ended before it said how"
    found: list[object] = json.loads(text)
    return found
