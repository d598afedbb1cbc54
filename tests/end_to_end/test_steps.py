"""What a RUN step sees, and what it leaves behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.steps import refused, running


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


def test_a_stage_without_a_shell(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM scratch\nRUN echo hello\n")
    said = refused(lamina, folder)
    assert "'/bin/sh' does not exist in the container" in said
    assert "hint: Is it in this stage" in said and "FROM scratch has no shell" in said
