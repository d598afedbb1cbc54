"""`lamina network`, and containers on networks of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.runtime.network import addresses
from tests.end_to_end.containers.machine import Machine, until

LINKS = "/sys/class/net"
SLEEP = ("busybox", "sleep", "999")
SERVE = ("busybox", "httpd", "-f", "-p", "80", "-h", "/data/inner")


@pytest.fixture(autouse=True)
def networks(lamina: Machine) -> Iterator[None]:
    """Whatever networks a test made are gone when it is over, bridges and all."""
    yield
    left = lamina.out("ps", "-aq").split()
    if left:
        lamina("rm", "-f", "-v", *left)
    made = lamina.out("network", "ls", "-q", "-f", "type=custom").split()
    if made:
        lamina("network", "rm", *made)
    assert not {f"lm{identity}" for identity in made} & set(os.listdir(LINKS))


def asked(lamina: Machine, name: str, template: str) -> str:
    return lamina.out("inspect", "-f", template, name)


def address(lamina: Machine, name: str, network: str) -> str:
    found = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    with contextlib.suppress(AssertionError):
        return asked(lamina, name, found)
    document = json.loads(lamina.out("inspect", name))[0]
    return str(document["NetworkSettings"]["Networks"][network]["IPAddress"])


def gets(lamina: Machine, name: str, host: str) -> bool:
    """Whether the container gets the file of a server at that address."""
    ask = f"printf 'GET /file HTTP/1.0\\r\\n\\r\\n' | timeout 5 nc {host} 80"
    done = lamina("exec", name, "sh", "-c", ask, code=None)
    return b"from the image" in done.stdout


def reaches(lamina: Machine, name: str, host: str) -> bool:
    """The same of a server that may not listen yet."""
    until(lambda: gets(lamina, name, host))
    return True


def curl(url: str) -> str:
    """What the host gets."""
    flags = ("-s", "-m", "30", "--retry", "20", "--retry-connrefused")
    done = subprocess.run(
        ("curl", *flags, url), capture_output=True, text=True, check=False
    )
    return done.stdout


def test_made_listed_shown_and_removed(lamina: Machine) -> None:
    options = ("--subnet", "10.219.3.0/24", "--gateway", "10.219.3.9", "--label", "a=b")
    identity = lamina.out("network", "create", *options, "app")
    assert len(identity) == 64
    listed = lamina.out("network", "ls").splitlines()
    assert listed[0].split() == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    names = lamina.out("network", "ls", "--format", "{{.Name}}").split()
    assert names == ["app", "bridge", "host", "none"]
    (shown,) = json.loads(lamina.out("network", "inspect", identity[:12]))
    assert shown["IPAM"]["Config"] == [
        {"Subnet": "10.219.3.0/24", "Gateway": "10.219.3.9"}
    ]
    assert shown["Labels"] == {"a": "b"} and shown["Name"] == "app"
    again = lamina("network", "create", "app", code=1)
    assert b"already exists" in again.stderr
    overlapping = lamina("network", "create", "--subnet", "10.219.0.0/16", "b", code=1)
    assert b"overlaps" in overlapping.stderr
    assert lamina.out("network", "rm", "app") == "app"
    done = lamina("network", "rm", "app", "bridge", code=1)
    assert b"network app not found" in done.stderr and b"pre-defined" in done.stderr


def test_empty_words_ask_for_nothing(lamina: Machine) -> None:
    lamina("network", "create", "-d", "", "--subnet", "", "app")
    words = ("network", "ls", "-q", "-f", "type=custom", "--format", "{{.Name}}")
    assert lamina.out(*words) == "app"


def test_a_container_in_use_keeps_its_network(lamina: Machine) -> None:
    lamina("network", "create", "app")
    lamina("run", "-d", "--name", "web", "--network", "app", *SLEEP)
    done = lamina("network", "rm", "app", code=1)
    assert b"active endpoints: web" in done.stderr
    assert lamina.out("network", "prune", "-f") == ""
    (shown,) = json.loads(lamina.out("network", "inspect", "app"))
    (on_it,) = shown["Containers"].values()
    assert on_it["Name"] == "web"
    assert on_it["IPv4Address"] == address(lamina, "web", "app") + "/24"
    lamina("rm", "-f", "web")
    assert lamina.out("network", "prune", "-f") == "Deleted Networks:\napp"


def test_networks_do_not_reach_each_other(lamina: Machine) -> None:
    for name in ("one", "two"):
        lamina("network", "create", name)
        lamina("run", "-d", "--name", f"web-{name}", "--network", name, *SERVE)
        lamina("run", "-d", "--name", f"client-{name}", "--network", name, *SLEEP)
    lamina("run", "-d", "--name", "outside", *SLEEP)
    for name in ("one", "two"):
        there = address(lamina, f"web-{name}", name)
        other = {"one": "two", "two": "one"}[name]
        assert reaches(lamina, f"client-{name}", there)
        assert not gets(lamina, f"client-{other}", there)
        assert not gets(lamina, "outside", there)


def test_on_several_networks_and_put_on_and_taken_off(lamina: Machine) -> None:
    for name in ("one", "two"):
        lamina("network", "create", name)
    lamina("run", "-d", "--name", "web", "--network", "one", "--network", "two", *SERVE)
    lamina("run", "-d", "--name", "client", "--network", "one", *SLEEP)
    second = address(lamina, "web", "two")
    assert not gets(lamina, "client", second)
    lamina("network", "connect", "--alias", "c", "two", "client")
    assert reaches(lamina, "client", second)
    again = lamina("network", "connect", "two", "client", code=1)
    assert b"already exists in network two" in again.stderr
    # As it was put, so it is after a restart; and off it is off.
    lamina("restart", "-t", "0", "client")
    assert reaches(lamina, "client", second)
    lamina("network", "disconnect", "two", "client")
    assert not gets(lamina, "client", second)
    lamina("network", "disconnect", "two", "client", code=1)
    assert reaches(lamina, "client", address(lamina, "web", "one"))


def test_the_way_out_moves_to_what_is_left(lamina: Machine) -> None:
    for name in ("one", "two"):
        lamina("network", "create", name)
    lamina("network", "create", "--internal", "inside")
    more = ("--network", "inside", "--network", "one", "--network", "two")
    lamina("run", "-d", "--name", "c1", *more, *SLEEP)
    routes = lamina.out("exec", "c1", "ip", "route")
    assert "default" in routes and "dev eth1" in routes.splitlines()[0]
    lamina("network", "disconnect", "one", "c1")
    assert "dev eth2" in lamina.out("exec", "c1", "ip", "route").splitlines()[0]
    lamina("network", "disconnect", "two", "c1")
    assert "default" not in lamina.out("exec", "c1", "ip", "route")


def test_a_given_address_and_who_has_it_already(lamina: Machine) -> None:
    lamina("network", "create", "--subnet", "10.219.4.0/24", "app")
    on = (
        "--network",
        "app",
        "--ip",
        "10.219.4.77",
        "--mac-address",
        "02:42:00:00:00:09",
    )
    lamina("run", "-d", "--name", "web", *on, *SLEEP)
    assert address(lamina, "web", "app") == "10.219.4.77"
    assert "02:42:00:00:00:09" in lamina.out(
        "exec", "web", "ip", "link", "show", "eth0"
    )
    second = lamina("run", "--rm", *on, "busybox", "true", code=125)
    assert b"is in use" in second.stderr
    outside = ("--network", "app", "--ip", "10.1.2.3")
    assert (
        b"none of the network"
        in lamina("run", "--rm", *outside, "busybox", "true", code=125).stderr
    )
    default = lamina("run", "--rm", "--ip", "10.1.2.3", "busybox", "true", code=125)
    assert b"user-defined networks only" in default.stderr


def test_published_ports_of_a_network(lamina: Machine) -> None:
    lamina("network", "create", "app")
    lamina(
        "run", "-d", "--name", "web", "--network", "app", "-p", "127.0.0.1::80", *SERVE
    )
    url = f"http://{lamina.out('port', 'web', '80')}/file"
    assert curl(url) == "from the image\n"
    # It is led by another network when the first is taken away.
    lamina("network", "create", "other")
    lamina("network", "connect", "other", "web")
    lamina("network", "disconnect", "app", "web")
    assert curl(url) == "from the image\n"


def test_sharing_the_network_of_another_container(lamina: Machine) -> None:
    lamina("network", "create", "app")
    lamina("run", "-d", "--name", "web", "--network", "app", "-h", "front", *SERVE)
    lamina("run", "-d", "--name", "side", "--network", "container:web", *SLEEP)
    assert reaches(lamina, "side", "127.0.0.1")
    assert lamina.out("exec", "side", "cat", "/etc/hosts") == lamina.out(
        "exec", "web", "cat", "/etc/hosts"
    )
    taken = ("run", "--rm", "--network", "container:web", "-p", "80", "busybox", "true")
    assert b"conflicting options" in lamina(*taken, code=125).stderr


def test_no_such_network(lamina: Machine) -> None:
    done = lamina("run", "--rm", "--network", "nope", "busybox", "true", code=125)
    assert b"network nope not found" in done.stderr
    assert lamina.left() == []


def test_what_a_killed_keeper_had_is_free_again(lamina: Machine) -> None:
    lamina("network", "create", "--subnet", "10.219.5.0/30", "tiny")
    lamina("run", "-d", "--name", "web", "--network", "tiny", *SLEEP)
    full = lamina("run", "--rm", "--network", "tiny", "busybox", "true", code=125)
    assert b"are taken" in full.stderr
    os.kill(lamina.keeper("web"), signal.SIGKILL)
    until(lambda: asked(lamina, "web", "{{.State.Status}}") == "exited")
    lamina("run", "--rm", "--network", "tiny", "busybox", "true")
    lamina("network", "rm", "tiny")


# Names


def resolved(lamina: Machine, name: str, asked: str) -> set[str]:
    """The addresses that a container finds for a name."""
    done = lamina("exec", name, "nslookup", "-type=a", f"{asked}.", code=None)
    lines = done.stdout.decode().splitlines()[2:]
    return {line.split()[1] for line in lines if line.startswith("Address")}


@pytest.fixture
def app(lamina: Machine) -> Machine:
    """A network `app` with a container `client` on it."""
    lamina("network", "create", "app")
    lamina("run", "-d", "--name", "client", "--network", "app", *SLEEP)
    return lamina


def test_containers_find_each_other(app: Machine) -> None:
    identity = app.out(
        *("run", "-d", "--name", "web", "--network", "app", "-h", "front"),
        *("--network-alias", "www", *SLEEP),
    )
    there = {address(app, "web", "app")}
    for name in ("web", "www", "front", identity[:12], "WEB", "web.app"):
        assert resolved(app, "client", name) == there
    (mine,) = resolved(app, "client", "client")
    assert "web.app" in app.out("exec", "client", "nslookup", *there)
    assert "client.app" in app.out("exec", "web", "nslookup", mine)
    # A name without an IPv6 address is there all the same (musl gives up otherwise).
    done = app("exec", "client", "nslookup", "-type=aaaa", "web.")
    assert b"NXDOMAIN" not in done.stdout
    app("rm", "-f", "web")
    assert resolved(app, "client", "web") == set()


def test_an_alias_of_several_finds_all_that_live(app: Machine) -> None:
    alias = ("--network", "name=app,alias=web")
    for number in range(3):
        app("run", "-d", "--name", f"web-{number}", *alias, *SLEEP)
    all_of_them = {address(app, f"web-{number}", "app") for number in range(3)}
    assert resolved(app, "client", "web") == all_of_them
    os.kill(app.keeper("web-1"), signal.SIGKILL)
    until(lambda: len(resolved(app, "client", "web")) == 2)


def test_found_again_after_restarts_and_reconnection_and_by_another_name(
    app: Machine,
) -> None:
    app("run", "-d", "--name", "web", "--network", "app", *SLEEP)
    app("restart", "-t", "0", "web", "client")
    assert resolved(app, "client", "web") == {address(app, "web", "app")}
    app("network", "disconnect", "app", "web")
    assert resolved(app, "client", "web") == set()
    app("network", "connect", "--alias", "again", "app", "web")
    there = {address(app, "web", "app")}
    assert resolved(app, "client", "web") == resolved(app, "client", "again") == there
    app("rename", "web", "other")
    assert resolved(app, "client", "other") == there
    assert resolved(app, "client", "web") == set()


def test_names_are_those_of_ones_own_networks(app: Machine) -> None:
    app("network", "create", "back")
    app("run", "-d", "--name", "db-1", "--network", "back", *SLEEP)
    app("run", "-d", "--name", "plain", *SLEEP)
    assert resolved(app, "client", "db-1") == set()
    assert "127.0.0.11" not in app.out("exec", "plain", "cat", "/etc/resolv.conf")
    # One that comes to a network of its own later finds names from then on.
    for name in ("client", "plain"):
        app("network", "connect", "back", name)
        assert resolved(app, name, "db-1") == {address(app, "db-1", "back")}


def test_links(app: Machine) -> None:
    app("run", "-d", "--name", "web", "--network", "app", *SLEEP)
    link = ("--link", "web:backend")
    app("run", "-d", "--name", "linked", "--network", "app", *link, *SLEEP)
    assert resolved(app, "linked", "backend") == {address(app, "web", "app")}
    assert resolved(app, "client", "backend") == set()
    app("run", "-d", "--name", "plain", *SLEEP)
    at = address(app, "plain", "bridge")
    hosts = app.out("run", "--rm", "--link", "plain:p", "busybox", "cat", "/etc/hosts")
    assert f"{at}\tp " in hosts


def test_a_link_on_the_default_network_tells_variables(app: Machine) -> None:
    db = ("--expose", "5432", "-e", "FOO=bar", "-e", "PATH=/bin", *SLEEP)
    app("run", "-d", "--name", "db", *db)
    link = ("--link", "db:data", "-e", "DATA_PORT=mine")
    check = ("--health-cmd", "env > /health", "--health-interval", "1s")
    app("run", "-d", "--name", "web", *link, *check, *SLEEP)
    at = address(app, "db", "bridge")
    told = [
        "DATA_ENV_FOO=bar",
        "DATA_NAME=/web/data",
        "DATA_PORT=mine",
        f"DATA_PORT_5432_TCP=tcp://{at}:5432",
        f"DATA_PORT_5432_TCP_ADDR={at}",
        "DATA_PORT_5432_TCP_PORT=5432",
        "DATA_PORT_5432_TCP_PROTO=tcp",
    ]

    def data(*words: str) -> list[str]:
        lines = app.out("exec", "web", *words).splitlines()
        return sorted(line for line in lines if line.startswith("DATA_"))

    assert data("env") == told
    until(lambda: data("sh", "-c", "cat /health; true") == told)
    # It is found by another name later, and has another address.
    app("rename", "db", "store")
    shown = app.out("inspect", "-f", "{{.HostConfig.Links}}", "web")
    assert shown == "[/store:/web/data]"
    app("stop", "-t", "0", "web", "store")
    assert b"Cannot link to store" in app("start", "web", code=1).stderr
    app("start", "store")
    app("start", "web")
    assert f"DATA_PORT_5432_TCP_ADDR={address(app, 'store', 'bridge')}" in data("env")


@pytest.mark.root("a user's containers are alone on the default network")
def test_a_link_follows_the_address(app: Machine) -> None:
    app("run", "-d", "--name", "store", *SLEEP)
    app("run", "-d", "--name", "web", "--link", "store:data", *SLEEP)
    # It is started anew while the other runs, which has written a line of its own.
    app("exec", "web", "sh", "-c", "echo 192.0.2.1 own >> /etc/hosts")
    at = address(app, "store", "bridge")
    app("stop", "-t", "0", "store")
    app("run", "-d", "--name", "takes-the-address", *SLEEP)
    app("start", "store")
    assert address(app, "store", "bridge") != at
    hosts = app.out("exec", "web", "cat", "/etc/hosts")
    assert f"{address(app, 'store', 'bridge')}\tdata " in hosts
    assert at not in hosts.split() and "192.0.2.1 own" in hosts


def test_links_that_cannot_be(app: Machine) -> None:
    app("run", "-d", "--name", "web", "--network", "app", *SLEEP)
    for words, said in (
        (("--link", "web"), b"not on the default network"),
        (("--link", "nobody:x"), b"No such container"),
        (("--link", "a:b:c"), b"Invalid link"),
        (("--network", "host", "--link", "web"), b"does not go with links"),
    ):
        assert said in app("run", *words, "busybox", "true", code=125).stderr
    assert app.out("ps", "-aq", "--filter", "status=created") == ""


def test_the_container_may_serve_names_itself(app: Machine) -> None:
    serve = ("busybox", "sh", "-c", "nc -l -p 53 & sleep 999")
    app("run", "-d", "--name", "dns", "--network", "app", *serve)
    listening = ("exec", "dns", "netstat", "-ltn")
    until(lambda: ":53 " in app.out(*listening))
    assert resolved(app, "dns", "client") == {address(app, "client", "app")}


def test_other_names_are_asked_of_the_hosts_servers(app: Machine) -> None:
    """The host of the test may have none that answers: then nobody finds anything."""
    app("network", "create", "--internal", "inside")
    app("run", "-d", "--name", "inner", "--network", "inside", *SLEEP)
    done = app("exec", "inner", "nslookup", "example.org.", code=1)
    assert b"SERVFAIL" in done.stdout + done.stderr
    text = app.out(
        *("run", "--rm", "--network", "app", "--dns", "192.0.2.1"),
        *("--dns-search", "lan", "--dns-option", "ndots:2"),
        *("busybox", "cat", "/etc/resolv.conf"),
    )
    assert text.split("\n") == [
        "nameserver 127.0.0.11",
        "search lan",
        "options ndots:2",
    ]


def test_one_that_was_made_without_a_network(app: Machine) -> None:
    app("run", "-d", "--name", "alone", "--network", "none", *SLEEP)
    done = app("network", "connect", "app", "alone", code=1)
    assert b"while it does not run" in done.stderr
    app("stop", "-t", "0", "alone")
    app("network", "connect", "app", "alone")
    app("start", "alone")
    assert resolved(app, "client", "alone") == {address(app, "alone", "app")}


# Many at once, and killed at any moment


def taken(lamina: Machine, network: str) -> list[str]:
    """The addresses that somebody has who lives: others are free."""
    identity = lamina.out("network", "inspect", "-f", "{{.Id}}", network)
    places = (Path("/run/lamina"), lamina.store / "run")
    return [
        one
        for place in places
        for path in place.glob(f"networks/{identity[:16]}/leases")
        for one in addresses.leases(str(path))
    ]


def test_many_at_once_have_addresses_of_their_own(app: Machine) -> None:
    names = [f"many-{number}" for number in range(12)]
    alias = ("--network", "name=app,alias=many")
    started = [app.begin("run", "-d", "--name", n, *alias, *SLEEP) for n in names]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    found = {address(app, name, "app") for name in names}
    assert len(found) == len(names)
    assert resolved(app, "client", "many") == found
    app("rm", "-f", *names)
    assert resolved(app, "client", "many") == set()
    assert len(taken(app, "app")) == 1, "the client's"


def test_what_is_killed_at_any_moment_leaves_nothing(app: Machine) -> None:
    app("network", "create", "more")
    chance = random.Random(7)
    for number in range(16):
        words = (
            ("run", "-d", "--name", f"killed-{number}", "--network", "app", *SLEEP),
            ("network", "connect", "more", "client"),
            ("network", "disconnect", "more", "client"),
            ("network", "create", f"half-{number}"),
        )[number % 4]
        process = app.begin(*words)
        time.sleep(chance.random() * 0.5)
        process.kill()
        process.communicate()
    left = app.out("ps", "-a", "--format", "{{.Names}}").split()
    killed = [name for name in left if name.startswith("killed")]
    app("rm", "-f", "and-nobody", *killed)
    app("network", "disconnect", "-f", "more", "client")
    app("network", "connect", "more", "client")
    app("run", "-d", "--name", "web", "--network", "app", "--network", "more", *SERVE)
    assert reaches(app, "client", address(app, "web", "more"))
    assert resolved(app, "client", "web") == {
        address(app, "web", network) for network in ("app",)
    }
    app("rm", "-f", "web")
    app("network", "prune", "-f")
    assert len(taken(app, "app")) == len(taken(app, "more")) == 1
    names = app.out("network", "ls", "-f", "type=custom", "--format", "{{.Name}}")
    assert names.split() == ["app", "more"]
