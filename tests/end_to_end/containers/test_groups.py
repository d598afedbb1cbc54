"""Groups: several containers behind one address, and ports that they share."""

from __future__ import annotations

import collections
import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.containers.machine import Machine, until
from tests.end_to_end.hammering import Hammer, ask

SLEEP = ("busybox", "sleep", "999")
# Each says who it is.
SERVE = "mkdir /tmp/www; hostname >/tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www"
GET = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc {} 80 | tail -n 1"
HEALTH = (
    *("--health-cmd", "wget -q -O- 127.0.0.1:80/index.html"),
    *("--health-start-period", "60s", "--health-start-interval", "200ms"),
    *("--health-interval", "200ms", "--health-retries", "1"),
)


START = ("run", "-d", "--network", "name=app,group=web,alias=www", "--name")


def host_address() -> str:
    """An address of the host that is not of its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(autouse=True)
def network(lamina: Machine) -> Iterator[None]:
    lamina("network", "create", "app")
    yield
    left = lamina.out("ps", "-aq").split()
    if left:
        lamina("rm", "-f", "-v", *left)
    lamina("network", "rm", "app")


def member(lamina: Machine, name: str, *flags: str) -> None:
    """Start a member of the group `web` that serves its name."""
    server = ("busybox", "sh", "-c", SERVE)
    lamina(*START, name, "--hostname", name, *HEALTH, *flags, *server)


def members(lamina: Machine, *names: str, flags: tuple[str, ...] = ()) -> None:
    for name in names:
        member(lamina, name, *flags)
    until(lambda: rotating(lamina) >= set(names))


def group(lamina: Machine, name: str = "web") -> dict[str, object]:
    (shown,) = json.loads(lamina.out("network", "inspect", "app"))
    found = shown.get("Services", {}).get(name, {})
    assert isinstance(found, dict)
    return found


def rotating(lamina: Machine) -> set[str]:
    """Who of the group is in rotation."""
    tasks = group(lamina).get("Tasks", [])
    assert isinstance(tasks, list)
    return {one["Name"] for one in tasks if one["Info"]["Rotation"] == "in"}


def got(
    lamina: Machine, host: str, count: int = 30, who: str = "client"
) -> collections.Counter[str]:
    """What a container gets that asks an address so often."""
    script = f"for n in $(seq {count}); do {GET.format(host)}; done"
    said = lamina.out("exec", who, "sh", "-c", script).split()
    return collections.Counter(said)


def found(lamina: Machine, name: str) -> set[str]:
    """The addresses of a name, as a container finds them."""
    script = f"nslookup -type=a {name} 127.0.0.11 | sed -n 's/^Address: *//p'"
    said = lamina.out("exec", "client", "sh", "-c", script).split()
    return {one for one in said if ":" not in one}


def all_say(port: int, address: str) -> set[str]:
    """Who answers at a port of the host."""
    return {ask(port, address=address) for _ in range(9)}


def vip(lamina: Machine) -> str:
    return str(group(lamina)["VIP"])


def test_members_are_behind_one_address(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    members(lamina, "one")
    own = found(lamina, "one")
    assert found(lamina, "web") == found(lamina, "www") == own
    members(lamina, "two", "three")
    address = vip(lamina)
    assert found(lamina, "web") == found(lamina, "web.app") == {address}
    assert found(lamina, "www") == {address} != own
    each = {one for name in ("one", "two", "three") for one in found(lamina, name)}
    assert found(lamina, "tasks.web") == each and len(each) == 3
    assert got(lamina, address) == {"one": 10, "two": 10, "three": 10}
    # A member reaches the others, and itself.
    assert set(got(lamina, address, who="one")) == {"one", "two", "three"}


def test_who_is_not_fit_is_out_and_comes_back(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    members(lamina, "one", "two", "three")
    address = vip(lamina)
    lamina("pause", "one")
    assert rotating(lamina) == {"two", "three"}
    assert got(lamina, address, 10) == {"two": 5, "three": 5}
    lamina("unpause", "one")
    assert rotating(lamina) == {"one", "two", "three"}
    lamina("exec", "two", "mv", "/tmp/www/index.html", "/tmp/www/away")
    until(lambda: rotating(lamina) == {"one", "three"})
    assert got(lamina, address, 10) == {"one": 5, "three": 5}
    lamina("exec", "two", "mv", "/tmp/www/away", "/tmp/www/index.html")
    until(lambda: rotating(lamina) == {"one", "two", "three"})
    lamina("stop", "-t", "0", "one", "two")
    assert got(lamina, address, 4) == {"three": 4}
    # The address stays, whoever there is.
    assert found(lamina, "web") == {address}
    lamina("rm", "-f", "three")
    assert found(lamina, "web") == set()
    members(lamina, "four")
    assert found(lamina, "web") == {address} == {vip(lamina)}
    assert got(lamina, address, 4) == {"four": 4}


def test_nobody_is_led_to_before_they_listen(lamina: Machine) -> None:
    port = free_port()
    late = ("-p", f"{port}:80", "busybox", "sh", "-c", f"sleep 1; {SERVE}")
    lamina(*START, "one", "--hostname", "one", *late)
    assert ask(port) == "one\n", "it has waited"
    with Hammer(port, ("127.0.0.1", "::1", host_address())) as hammer:
        lamina(*START, "two", "--hostname", "two", *late)
        until(lambda: "two\n" in hammer.answers)
        lamina("stop", "-t", "1", "one")
    assert hammer.failures == []


def test_who_is_not_healthy_yet_is_led_to_for_want_of_others(lamina: Machine) -> None:
    port = free_port()
    server = ("busybox", "sh", "-c", SERVE)
    never = ("--health-cmd", "false", "--health-interval", "1h")
    flags = ("-p", f"{port}:80", *never)
    for name in ("one", "two"):
        lamina(*START, name, "--hostname", name, *flags, *server)
    until(lambda: all_say(port, "127.0.0.1") == {"one\n", "two\n"})
    assert rotating(lamina) == set()
    members(lamina, "three", flags=flags[:2])
    # Who passes connections on looks again within a quarter of a second.
    for address in ("127.0.0.1", "::1"):
        until(lambda at=address: all_say(port, at) == {"three\n"})  # type: ignore[misc]
    lamina("rm", "-f", "three")
    until(lambda: all_say(port, "127.0.0.1") == {"one\n", "two\n"})
    assert ask(port, address="::1") in ("one\n", "two\n")


def test_without_anybody_in_rotation_who_asks_waits(lamina: Machine) -> None:
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    members(lamina, "one", "two")
    address = vip(lamina)
    lamina("pause", "one")
    lamina("pause", "two")
    # The host has a server of its own at all of its addresses.
    waiting = lamina.begin("exec", "client", "sh", "-c", GET.format(address))
    time.sleep(0.5)
    assert waiting.poll() is None
    lamina("unpause", "two")
    assert waiting.communicate()[0] == b"two\n"


def test_a_member_that_was_killed_is_out_with_the_next_command(
    lamina: Machine,
) -> None:
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    members(lamina, "one", "two", "three")
    address = vip(lamina)
    os.kill(lamina.keeper("two"), signal.SIGKILL)
    until(lambda: lamina.out("ps", "-q", "-f", "name=two") == "")
    assert got(lamina, address, 10) == {"one": 5, "three": 5}
    assert "two" not in str(group(lamina))


def test_what_is_left_of_all_that_were_killed_is_nothing(lamina: Machine) -> None:
    port = free_port()
    flags = ("-p", f"127.0.0.1:{port}:80")
    members(lamina, "one", "two", flags=flags)
    address = vip(lamina)
    for keeper in [lamina.keeper(name) for name in ("one", "two")]:
        os.kill(keeper, signal.SIGKILL)
    until(lambda: lamina.out("ps", "-q") == "")
    assert group(lamina)["Tasks"] == []
    lamina("start", "two")
    until(lambda: rotating(lamina) == {"two"})
    assert ask(port) == "two\n" and vip(lamina) == address


def test_who_is_started_again_is_out_until_then(lamina: Machine) -> None:
    members(lamina, "one", "two", flags=("--restart", "always"))
    inspect = ("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "one")
    # Each time its keeper waits longer: in the end 1.6 s.
    for _ in range(5):
        until(lambda: lamina.out(*inspect).startswith("running"))
        before = lamina.out(*inspect)
        os.kill(int(before.split()[1]), signal.SIGKILL)
        until(lambda known=before: lamina.out(*inspect) != known)  # type: ignore[misc]
    assert lamina.out(*inspect).startswith("restarting")
    assert rotating(lamina) == {"two"}
    until(lambda: rotating(lamina) == {"one", "two"})


def test_a_port_is_shared_by_members(lamina: Machine) -> None:
    port = free_port()
    flags = ("-p", f"{port}:80")
    members(lamina, "one", flags=flags)
    assert {ask(port) for _ in range(5)} == {"one\n"}
    members(lamina, "two", "three", flags=flags)
    counted = collections.Counter(ask(port) for _ in range(30))
    assert set(counted) == {"one\n", "two\n", "three\n"}
    assert set(counted.values()) == {10}
    for address in ("::1", host_address()):
        assert ask(port, address=address).strip() in ("one", "two", "three")
    shown = f"0.0.0.0:{port}->80/tcp"
    assert group(lamina)["Ports"] == [shown]
    for name in ("one", "two", "three"):
        assert lamina.out("port", name, "80").splitlines()[0] == f"0.0.0.0:{port}"
    # It lives as long as one of them, whoever opened it.
    lamina("rm", "-f", "one")
    os.kill(lamina.keeper("two"), signal.SIGKILL)
    until(lambda: lamina.out("ps", "-q", "-f", "name=two") == "")
    for address in ("127.0.0.1", "::1", host_address()):
        assert {ask(port, address=address) for _ in range(5)} == {"three\n"}
    lamina("rm", "-f", "three")
    with socket.create_server(("", port)):
        refused = lamina(*START, "four", *flags, "busybox", *SLEEP[1:], code=125)
        assert f"Port {port} is already in use".encode() in refused.stderr
    members(lamina, "five", flags=flags)
    assert ask(port) == "five\n"


def test_who_leaves_the_network_leaves_the_group(lamina: Machine) -> None:
    port = free_port()
    members(lamina, "one", "two", flags=("-p", f"{port}:80"))
    lamina("network", "disconnect", "app", "one")
    assert rotating(lamina) == {"two"}
    assert {ask(port) for _ in range(6)} == {"two\n"}
    assert lamina.out("port", "one") == ""
    lamina("network", "disconnect", "app", "two")
    assert group(lamina)["Tasks"] == []
    with socket.create_server(("", port)):
        pass


def test_members_that_start_at_once_share_a_port(lamina: Machine) -> None:
    # An ordinary user's have no session of their own then.
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    port = free_port()
    server = ("busybox", "sh", "-c", SERVE)
    names = [f"web-{number}" for number in range(6)]
    flags = (*HEALTH, "-p", f"{port}:80")
    started = [
        lamina.begin(*START, name, "--hostname", name, *flags, *server)
        for name in names
    ]
    for one in started:
        said = one.communicate()
        assert one.returncode == 0, said
    until(lambda: rotating(lamina) == set(names))
    assert {ask(port).strip() for _ in range(60)} <= set(names)


def test_scaled_up_and_down_under_load(lamina: Machine) -> None:
    port = free_port()
    flags = ("-p", f"{port}:80")
    members(lamina, "web-0", "web-9", flags=flags)
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    get = GET.format(vip(lamina))
    script = (
        f"while [ ! -e /tmp/over ]; do echo $({get}) >>/tmp/said; done; cat /tmp/said"
    )
    inside = lamina.begin("exec", "client", "sh", "-c", script)
    hammered = ("127.0.0.1", "127.0.0.1", host_address())
    with Hammer(port, hammered) as hammer:
        for number in range(1, 5):
            members(lamina, f"web-{number}", flags=flags)
        for number in (9, 0, 1, 2, 3):
            lamina("stop", "-t", "1", f"web-{number}")
    lamina("exec", "client", "touch", "/tmp/over")
    everybody = {f"web-{number}" for number in (0, 1, 2, 3, 4, 9)}
    assert hammer.failures == []
    assert set(map(str.strip, hammer.answers)) == everybody
    # An empty line would be a request that failed.
    assert set(inside.communicate()[0].decode().splitlines()) == everybody
    assert ask(port) == "web-4\n"
