"""What a RUN step sees, is lent, and leaves behind: mounts, secrets, agents, caches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project, wait_for_line


def refused(lamina: Lamina, folder: Path, *args: str | Path) -> str:
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    lamina.check()
    return done.err


def running(*pattern: str) -> bool:
    found = subprocess.run(["pgrep", *pattern], check=False, capture_output=True)
    return found.returncode == 0


def test_every_form_of_a_heredoc(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nARG WHO=world\n"
        "RUN <<EOF\necho $WHO > /plain\nEOF\n"
        "RUN <<-'EOF'\n\t#!/bin/cat\n\tthe script $WHO\n\tEOF\n"
        'RUN <<EOF\n#!/bin/sh\necho "$0 $#" > /shebang\nEOF\n'
        "RUN sh -e <<EOF > /piped\necho $WHO\nEOF\n"
        "RUN cat <<A > /two && cat <<B >> /two\na\nA\nb\nB\n"
        'SHELL ["/bin/sh", "-c", "echo shell: $0 > /shell"]\nRUN <<EOF\nx\nEOF\n',
    )
    files = lamina.files(folder)
    expected = {
        "plain": "world\n",
        "shebang": "/dev/pipes/EOF 0\n",
        "piped": "world\n",
        "two": "a\nb\n",
        "shell": "shell: x\n",
    }
    assert {name: (files / name).read_text() for name in expected} == expected
    # What a script says is part of its step.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.replace("$#", "other"))
    assert len(lamina.run("build", folder).ran) > 1


def test_users_have_their_groups_and_home(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN echo 'me:x:1234:55::/home/me:/bin/sh' >> /etc/passwd;"
        " echo 'mine:x:55:' >> /etc/group; echo 'more:x:77:me' >> /etc/group;"
        " mkdir -m 777 /out\n"
        "USER me\nRUN echo $(id -u):$(id -g):$(id -G):$HOME > /out/name\n"
        "USER me:0\nRUN echo $(id -u):$(id -g):$(id -G) > /out/group\n"
        "USER 4321\nRUN echo $(id -u):$(id -g):$HOME > /out/number\n"
        "USER 1234\nENV HOME=/elsewhere\nRUN echo $(id -g):$HOME > /out/given\n",
    )
    out = lamina.files(folder) / "out"
    found = {name: (out / name).read_text().strip() for name in os.listdir(out)}
    assert found == {
        "name": "1234:55:55 77:/home/me",
        "group": "1234:0:0",
        "number": "4321:0:/",
        "given": "55:/elsewhere",
    }


def test_mount_points_are_never_left_behind(lamina: Lamina, tmp_path: Path) -> None:
    tmpfs = "RUN --mount=type=tmpfs,target="
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN mkdir -p /real/in /kept && ln -s /real /link"
        " && touch -t 200001010000 /real /kept\n"
        f"{tmpfs}/a/b/c true\n"
        f"{tmpfs}/link/x/y --mount=type=bind,source=f,target=/link/file true\n"
        f"{tmpfs}/kept/deep/er touch /kept/mine\n"
        "RUN --mount=type=bind,source=f,target=/etc/one/two true\n"
        "RUN --mount=type=secret,id=none --mount=type=bind,target=/ctx,source=. true\n"
        # The step puts a link to a directory of its own where the mount point was.
        f"{tmpfs}/swap/in mkdir /victim && touch /victim/in;"
        " mv /swap /old; ln -s /victim /swap\n",
        f="f",
    )
    files = lamina.files(folder)
    names = set(os.listdir(files))
    assert {"a", "ctx", "run"}.isdisjoint(names)
    assert os.listdir(files / "real") == ["in"]
    assert (files / "real").stat().st_mtime == 946684800
    assert os.listdir(files / "kept") == ["mine"]
    assert not (files / "etc/one").exists()
    assert (files / "victim/in").exists()


def test_a_mount_point_is_no_change_of_its_parents(
    lamina: Lamina, tmp_path: Path
) -> None:
    tmpfs = "RUN --mount=type=tmpfs,target="
    folder = project(
        tmp_path / "app",
        f"FROM busybox\nRUN true\n{tmpfs}/data/inner/new/er true\n"
        "RUN --mount=type=secret,id=s,target=/etc/token cat /etc/token\n"
        f"{tmpfs}/data/inner/new chmod 700 /data/inner\n",
        token="x",
    )
    secret = f"id=s,src={folder / 'token'}"
    lamina.run("build", "-t", "app", "--secret", secret, folder)
    layers = json.loads(lamina.run("inspect", "app").out)[0]["RootFS"]["Layers"]
    nothing, parents, file, changed = layers[-4:]
    assert nothing == parents == file != changed


def test_generated_files_never_enter_a_layer(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS own\nCOPY hosts /etc/hosts\n"
        "COPY hosts /run/stub\nCOPY etc/ /etc/\n"
        "FROM own\n"
        "RUN ! echo 9.9.9.9 me >> /etc/hosts; ! rm /etc/hosts;"
        " ! echo x > /etc/resolv.conf; grep db /etc/hosts && ! grep mine /etc/hosts\n"
        "RUN echo name > /etc/hostname\n"
        "FROM busybox\nRUN rm -rf /etc/resolv.conf /etc/hosts; touch /etc/x;"
        " chmod 600 /etc/hosts || true\n",
        hosts="mine\n",
    )
    (folder / "etc").mkdir()
    (folder / "etc/resolv.conf").symlink_to("/run/stub")
    flags = ("--add-host", "db:10.1.2.3", "--add-host", "v6=::1")
    files = lamina.files(folder, "--target", "1", *flags)
    assert (files / "etc/hosts").read_text() == "mine\n"
    assert (files / "run/stub").read_text() == "mine\n"
    assert os.readlink(files / "etc/resolv.conf") == "/run/stub"
    assert (files / "etc/hostname").read_text() == "name\n"
    bare = lamina.files(folder)
    assert {"hosts", "resolv.conf"}.isdisjoint(os.listdir(bare / "etc"))
    # Another address is another step; the size of /dev/shm and limits are not.
    again = lamina.run("build", "--target", "1", *flags[:3], "db:10.9.9.9", folder)
    assert any("grep db" in name for name in again.ran)
    assert "NAME:ADDRESS" in refused(lamina, folder, "--add-host", "db")


def test_each_network_has_its_resolver(lamina: Lamina, tmp_path: Path) -> None:
    """Also when the first step has none."""
    look = "cp /etc/resolv.conf /r-{0}; grep gate /etc/hosts > /h-{0}\n"
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        f"RUN --network=none {look.format('none')}"
        f"RUN ip route > /route; {look.format('default')}"
        f"RUN --network=host {look.format('host')}",
    )
    flags = ("--add-host", "gate:host-gateway", "--allow", "network.host")
    files = lamina.files(folder, *flags)
    assert (files / "r-host").read_text() == Path("/etc/resolv.conf").read_text()
    gateway = (files / "route").read_text().split()[2]
    assert (files / "h-default").read_text() == f"{gateway}\tgate\n"
    assert (files / "h-host").read_text() == "127.0.0.1\tgate\n"
    assert "127." not in (files / "r-default").read_text()


def test_limits_of_steps(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN df -k /dev/shm | tail -1 | awk '{print $2}' > /shm;"
        " ulimit -n > /soft; ulimit -Hn > /hard\n",
    )
    flags = ("--shm-size", "3m", "--ulimit", "nofile=100:200")
    files = lamina.files(folder, *flags)
    found = [(files / name).read_text().strip() for name in ("shm", "soft", "hard")]
    assert found == ["3072", "100", "200"]
    assert lamina.run("build", folder).ran == []
    assert "is no size" in refused(lamina, folder, "--shm-size", "x")
    assert "Invalid ulimit" in refused(lamina, folder, "--ulimit", "x=1")


def test_a_writable_bind_never_reaches_its_source(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS other\nRUN mkdir -m 700 /o && echo o > /o/file\n"
        "FROM busybox\n"
        "RUN --mount=type=bind,source=f,target=/f,rw echo changed > /f && cat /f\n"
        "RUN --mount=type=bind,target=/all,rw echo changed > /all/f && rm /all/d/x\n"
        "RUN --mount=type=bind,from=other,source=/o/file,target=/f,rw echo x > /f\n"
        "RUN --mount=type=bind,from=other,source=/o,target=/o,rw "
        "stat -c %a /o > /mode; echo x > /o/file\n"
        "RUN --mount=type=bind,from=other,source=/o/file,target=/f cat /f > /seen\n"
        # Parents first, in whatever order they are written.
        "RUN --mount=type=bind,source=f,target=/t/f --mount=type=tmpfs,target=/t "
        "cat /t/f >> /seen\n",
        f="original\n",
        d__x="x",
    )
    for _ in range(2):
        files = lamina.files(folder)
        assert (files / "seen").read_text() == "o\noriginal\n"
        assert (files / "mode").read_text() == "700\n"
        assert (folder / "f").read_text() == "original\n" and (folder / "d/x").exists()
        # With an ignore file a step sees what its key knows, and no more.
        (folder / ".dockerignore").write_text("nothing\nRecipe\n")
    text = "FROM busybox\nRUN --mount=type=bind,target=/c ls /c > /list\n"
    (folder / "Recipe").write_text(text)
    assert (lamina.files(folder) / "list").read_text() == "d\nf\n"


def test_bind_sources_stay_inside(lamina: Lamina, tmp_path: Path) -> None:
    """CVE-2024-1753: a link to / in the source."""
    (tmp_path / "outside").write_text("secret")
    folder = project(
        tmp_path / "app",
        "FROM busybox AS base\nRUN ln -s / /root-of-all\n"
        "FROM busybox\n"
        "RUN --mount=type=bind,from=base,source=/root-of-all,target=/x,rw "
        "ls /x > /list; touch /x/B\n",
    )
    (folder / "up").symlink_to("../outside")
    (folder / "abs").symlink_to(tmp_path / "outside")
    files = lamina.files(folder)
    assert "bin" in (files / "list").read_text().split()
    for source in ("up", "abs", "nowhere", "../outside"):
        (folder / "Recipe").write_text(
            "FROM busybox\n"
            f"RUN --mount=type=bind,source={source},target=/x cat /x > /seen\n"
        )
        said = refused(lamina, folder)
        assert "at app/Recipe:2:1" in said and source in said


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


def test_nothing_that_a_step_started_outlives_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    daemon = "setsid sh -c 'setsid sleep 12345 & sleep 12345' </dev/null >/dev/null"
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        f"RUN ({daemon} 2>&1 &); (trap '' TERM HUP INT; sleep 12345 &) ; echo a > /a\n"
        "RUN test $(ls /proc | grep -c '^[0-9]*$') -lt 6\n",
    )
    lamina.build(folder)
    assert not running("-fx", "sleep 12345")


# Caches


def cache(rest: str) -> str:
    return f"RUN --mount=type=cache,target=/c,id=k{rest}"


def test_locked_caches_wait_for_each_other(lamina: Lamina, tmp_path: Path) -> None:
    """Across processes, and with two caches taken in either order."""
    both = "RUN --mount=type=cache,target=/{},id={},sharing=locked"
    step = (
        "cd /a; test ! -e held; touch held; sleep 0.3; rm held;"
        " echo x >> /b/done; cp /b/done /done\n"
    )
    folders = []
    for number, (first, second) in enumerate((("a", "b"), ("b", "a"))):
        mounts = " ".join(
            both.format(name, name).removeprefix("RUN " if late else "")
            for late, name in enumerate((first, second))
        )
        text = f"FROM busybox\nARG N={number}\n{mounts} {step}"
        folders.append(project(tmp_path / str(number), text))
    builds = [lamina.start("build", "--no-cache", folder) for folder in folders]
    for process in builds:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert (lamina.files(folders[0]) / "done").exists()
    # The same cache twice in a step is one cache, and no deadlock.
    twice = "--mount=type=cache,target=/e,id=k,sharing=locked true\n"
    lamina.build(
        project(tmp_path / "t", f"FROM busybox\n{cache(',sharing=locked')} {twice}")
    )


def test_a_private_cache_is_one_s_own(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS one\n"
        f"{cache(',sharing=private')} touch /c/one; sleep 1; ls /c > /seen\n"
        "FROM busybox AS two\n"
        f"{cache(',sharing=private')} touch /c/two; sleep 1; ls /c > /seen\n"
        "FROM scratch\nCOPY --from=one /seen /one\nCOPY --from=two /seen /two\n",
    )
    files = lamina.files(folder, "--jobs", "2")
    seen = [(files / name).read_text() for name in ("one", "two")]
    assert seen == ["one\n", "two\n"]
    # When all are free again the first one is used, and no third is made.
    (folder / "Recipe").write_text(f"FROM busybox\n{cache(',sharing=private')} ls /c\n")
    lamina.build(folder)
    (name,) = os.listdir(lamina.store / "caches")
    copies = os.listdir(lamina.store / "caches" / name)
    assert sorted(n for n in copies if n.isdecimal()) == ["0", "1"]


def test_a_killed_holder_frees_its_cache(lamina: Lamina, tmp_path: Path) -> None:
    holder = project(
        tmp_path / "holder",
        f"FROM busybox\n{cache(',sharing=locked')} echo I have it; sleep 1000\n",
    )
    waiter = project(
        tmp_path / "waiter", f"FROM busybox\n{cache(',sharing=locked')} echo fine\n"
    )
    process = lamina.start("build", "--progress", "plain", holder)
    wait_for_line(process, "I have it")
    waiting = lamina.start("build", "--progress", "plain", waiter)
    wait_for_line(waiting, "waiting for the cache k")
    # Ctrl-C reaches a build that waits ...
    os.killpg(waiting.pid, signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    # ... and a killed one holds nothing.
    process.kill()
    process.communicate()
    lamina.build(waiter)
    lamina.check()


def test_caches_outlive_everything_but_their_removal(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        f"FROM busybox\n{cache('')} echo 1 >> /c/n; chmod 711 /c; cp /c/n /n\n",
    )
    assert (lamina.files(folder) / "n").read_text() == "1\n"
    lamina.run("rmi", "-f", "busybox", code=None)
    lamina.run("system", "prune", "-a", "-f", code=None)
    lamina.with_base()
    assert (lamina.files(folder, "--no-cache") / "n").read_text() == "1\n1\n"
    # Another owner or mode is the same cache; what a step itself set stays.
    (folder / "Recipe").write_text(
        f"FROM busybox\n{cache('')} stat -c %a:%u /c > /a\n"
        f"{cache(',mode=0700,uid=9')} stat -c %a:%u /c > /b; cat /c/n > /n\n"
    )
    files = lamina.files(folder)
    assert [(files / name).read_text() for name in "ab"] == ["711:0\n", "700:9\n"]
    assert (files / "n").read_text() == "1\n1\n"
    # An id is no path (CVE-2024-9675).
    mount = "--mount=type=cache,target=/x,id=../../../../canary"
    (folder / "Recipe").write_text(f"FROM busybox\nRUN {mount} touch /x/file\n")
    lamina.build(folder)
    assert not list(tmp_path.rglob("canary"))


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
