"""What a RUN step is lent: secrets, agents, and what needs to be allowed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.steps import refused, running


def test_secrets(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("hush-1")
    (tmp_path / "large").write_bytes(b"x" * (600 << 10))
    (tmp_path / "binary").write_bytes(b"a\0b")
    mount = "RUN --mount=type=secret,"
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        f"{mount}id=one,target=/s/deep,mode=0440,uid=7,gid=8 "
        "--mount=type=secret,id=two,env=TWO --mount=type=secret,id=absent "
        "stat -c %a:%u:%g /s/deep > /stat; test $TWO = hush-2;"
        " test ! -e /run/secrets/two && test ! -e /run/secrets/absent;"
        " grep -c hush-2 /proc/1/environ > /dev/null\n"
        f"{mount}id=two,env=TWO,target=/both test $(cat /both) = $TWO\n"
        f"{mount}id=one cat /run/secrets/one > /dev/null\n"
        f"{mount}target=/run/x/one test -s /run/x/one\n",
    )
    given = ("--secret", "id=one,src=one", "--secret", "type=env,id=two,env=SECOND")
    files = lamina.files(folder, *given, env={"SECOND": "hush-2"})
    assert (files / "stat").read_text() == "440:7:8\n"
    assert {"s", "both", "run"}.isdisjoint(os.listdir(files))
    (folder / "Recipe").write_text(f"FROM busybox\n{mount}id=x,env=X true\n")
    for flag, words in (
        ("id=x,src=large", "larger than 500 KiB"),
        ("id=x,src=binary", "NUL"),
        ("id=x,src=nowhere", "has no file"),
        ("id=x,env=NOT_SET", "no variable NOT_SET"),
        ("src=one", "has no id"),
        ("id=x,file=one", "unknown field 'file'"),
    ):
        assert words in refused(lamina, folder, "--secret", flag)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of an ssh-agent with one key, `user`; another key in a file."""
    for name, phrase in (("user", ""), ("file", ""), ("locked", "phrase")):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-C", name, "-N", phrase]
        subprocess.run([*command, "-f", tmp_path / name], check=True)
    socket = tmp_path / "agent"
    command = ["ssh-agent", "-D", "-a", str(socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        env = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", tmp_path / "user"], env=env, check=True)
        yield socket
        process.send_signal(signal.SIGTERM)


def bring(folder: Path, program: str) -> None:
    """Put a program of the host and its libraries into a context."""
    found = subprocess.check_output(["ldd", program], text=True).split()
    for path in (program, *(word for word in found if word.startswith("/"))):
        (folder / "tools" / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "tools" / path[1:])


def test_an_agent_is_lent_to_a_step(
    lamina: Lamina, tmp_path: Path, agent: Path
) -> None:
    mount, ask = "RUN --mount=type=ssh", "/usr/bin/ssh-add -l"
    base = "FROM busybox\nCOPY tools/ /\n"
    folder = project(
        tmp_path / "app",
        f"{base}"
        f"{mount},mode=0660,uid=7,gid=8 echo $SSH_AUTH_SOCK > /where;"
        " stat -c %a:%u:%g:%F $SSH_AUTH_SOCK >> /where\n"
        f"{mount} {ask} > /key\n"
        f"{mount} ! /usr/bin/ssh-add -D\n"
        f"{mount} {ask} >> /key\n"
        f"{mount},id=other,target=/a/sock {ask} > /other\n"
        f"{mount},id=absent test -z $SSH_AUTH_SOCK\n",
    )
    bring(folder, "/usr/bin/ssh-add")
    env = {"SSH_AUTH_SOCK": str(agent)}
    flags = ("--ssh", "default", "--ssh", f"other={tmp_path / 'file'}")
    files = lamina.files(folder, *flags, env=env)
    assert (files / "where").read_text() == (
        "/run/buildkit/ssh_agent.0\n660:7:8:socket\n"
    )
    keys = (files / "key").read_text().splitlines()
    assert [line.split()[2] for line in keys] == ["user", "user"]
    assert (files / "other").read_text().split()[3] == "(ED25519)"
    assert {"a", "run"}.isdisjoint(os.listdir(files))
    # Another agent is not another step, and none is an error only where it is needed.
    assert lamina.run("build", folder).ran == []
    (folder / "Recipe").write_text(f"{base}{mount},required=true {ask}\n")
    assert "--ssh default" in refused(lamina, folder)
    assert "SSH_AUTH_SOCK" in refused(lamina, folder, "--ssh", "default")
    given = (f"default={tmp_path / 'locked'}", f"default={tmp_path / 'nowhere'}")
    assert "passphrase" in refused(lamina, folder, "--ssh", given[0])
    assert "no agent and no key" in refused(lamina, folder, "--ssh", given[1])
    assert not running("-f", "ssh-agent -a agent")


def test_what_needs_to_be_allowed(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS net\nRUN --network=host readlink /proc/self/ns/net > /space\n"
        "FROM busybox AS free\n"
        "RUN --security=insecure grep CapEff /proc/self/status > /caps;"
        " grep Seccomp: /proc/self/status >> /caps;"
        " mkdir /m && mount -t tmpfs x /m && umount /m && test -w /proc/sys/kernel\n"
        "FROM busybox AS device\nRUN --device=vendor/gpu true\n",
    )
    for target, name in (("net", "network.host"), ("free", "security.insecure")):
        said = refused(lamina, folder, "--target", target)
        assert f"--allow {name}" in said and "at app/Recipe:" in said
    assert "nothing called 'all'" in refused(lamina, folder, "--allow", "all")
    for flags in (("--network", "host"), ("--allow", "network.host")):
        files = lamina.files(folder, "--target", "net", *flags)
        space = (files / "space").read_text().strip()
        assert space == os.readlink("/proc/self/ns/net")
    allow = ("--allow", "network.host,security.insecure")
    files = lamina.files(folder, "--target", "free", *allow)
    caps, seccomp = (files / "caps").read_text().splitlines()
    own = next(
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapBnd")
    )
    # A user has all of them, in a namespace where they are worth nothing outside.
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    every = own if os.geteuid() == 0 else f"{(1 << last + 1) - 1:016x}"
    assert caps.split()[1] == every and seccomp.split()[1] == "0"
    # What was allowed once is not allowed for ever.
    refused(lamina, folder, "--target", "free")
    done = lamina.run("build", "--target", "device", folder)
    assert "steps get no devices" in done.err


def test_the_recipes_of_the_page_build(
    lamina: Lamina, tmp_path: Path, agent: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs/steps.md").read_text()
    recipes = [part.partition("```")[0] for part in page.split("```dockerfile\n")[1:]]
    assert len(recipes) == 4
    (tmp_path / "token").write_text("hush")
    flags = ("--secret", "id=token,src=token", "--ssh", "default", "--ssh", "deploy")
    env = {"SSH_AUTH_SOCK": str(agent)}
    for number, recipe in enumerate(recipes):
        folder = project(tmp_path / str(number), recipe, f="f")
        lamina.build(folder, *flags, env=env)
