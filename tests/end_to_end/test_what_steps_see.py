"""What a step of a build sees: mounts, secrets, the network, nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from tests.end_to_end.bases import Lamina, build, project


def test_mounts_of_a_step(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS other\nRUN mkdir /o && echo other > /o/file\n"
        "FROM busybox\n"
        "RUN --mount=type=bind,target=/ctx cat /ctx/file > /from-context\n"
        "RUN --mount=type=bind,from=other,source=/o,target=/m cat /m/file > /from-o\n"
        "RUN --mount=type=bind,target=/ctx ! touch /ctx/new 2>/dev/null\n"
        "RUN --mount=type=bind,target=/ctx,rw touch /ctx/new\n"
        "RUN --mount=type=tmpfs,target=/t grep -w /t /proc/mounts; echo > /t/x\n"
        "RUN --mount=type=cache,target=/c,id=k echo kept > /c/file\n"
        "RUN --mount=type=cache,target=/other,id=k cat /other/file > /from-cache\n",
        file="context\n",
    )
    files = lamina.files(folder)
    assert (files / "from-context").read_text() == "context\n"
    assert (files / "from-o").read_text() == "other\n"
    assert (files / "from-cache").read_text() == "kept\n"
    assert not (folder / "new").exists()
    # The places they were mounted at are in no layer.
    assert not {"ctx", "m", "t", "c", "other"} & set(os.listdir(files))


def test_a_secret_is_in_no_layer_and_no_history(lamina: Lamina, tmp_path: Path) -> None:
    """CVE-2019-13509."""
    (tmp_path / "token").write_text("hush-4711")
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN --mount=type=secret,id=token,required=true "
        "test $(wc -c < /run/secrets/token) = 9\n"
        "RUN --mount=type=secret,id=two,env=TWO test -n $TWO && echo > /done\n",
    )
    secrets = ("--secret", "id=token,src=token", "--secret", "id=two,env=SECOND")
    env = {"SECOND": "hush-4712"}
    lamina.build(folder, "-t", "app", *secrets, env=env)
    lamina.run("save", "-o", "app.tar", "app")
    assert b"hush-" not in (tmp_path / "app.tar").read_bytes()
    for path in lamina.store.rglob("*"):
        if path.is_file():
            assert b"hush-47" not in path.read_bytes(), path
    # Another secret is not another step.
    (tmp_path / "token").write_text("different")
    assert lamina.run("build", *secrets, folder, env=env).ran == []
    refused = lamina.run("build", "--no-cache", folder, code=1)
    assert "'token' is required" in refused.err and "--secret id=token" in refused.err


def test_a_step_without_network(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN ip -o link > /with\nRUN --network=none ip -o link > /none\n",
    )
    files = lamina.files(folder)
    assert "eth0" in (files / "with").read_text()
    assert len((files / "none").read_text().splitlines()) == 1


def test_what_a_step_leaves_running_ends_with_it(
    lamina: Lamina, tmp_path: Path
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\n"
        "RUN (setsid sleep 1000 </dev/null >/dev/null 2>&1 &) ; echo started > /a\n"
        "RUN ! pidof sleep\n"
        "RUN (sleep 1000 &) ; echo with our output > /b\n",
    )
    files = lamina.files(folder)
    assert (files / "a").read_text() == "started\n"


def test_steps_see_nothing_of_the_machine(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN hostname > /seen; umask >> /seen; date +%Z >> /seen;"
        " echo $SOURCE_DATE_EPOCH >> /seen; ls /proc | grep -c '^[0-9]' >> /seen;"
        " env | grep MARK >> /seen || true\n",
    )
    files = lamina.files(folder, env={"MARK": "x", "TZ": "Asia/Tokyo"})
    lines = (files / "seen").read_text().splitlines()
    assert lines[:4] == ["lamina", "0022", "UTC", "315532800"]
    assert int(lines[4]) < 6 and len(lines) == 5


def test_a_cache_mount_begins_with_files_of_a_stage(
    lamina: Lamina, tmp_path: Path
) -> None:
    mount = "--mount=type=cache,target=/c,from=seed,source=/s,uid=1000,mode=700"
    folder = project(
        tmp_path / "app",
        "FROM busybox AS seed\nRUN mkdir /s && echo 1 > /s/number\n"
        f"FROM busybox\nRUN {mount} stat -c %u:%a /c > /stat; echo 2 >> /c/number\n"
        f"RUN {mount} cat /c/number > /kept\n",
    )
    files = lamina.files(folder)
    assert (files / "stat").read_text() == "1000:700\n"
    assert (files / "kept").read_text() == "1\n2\n"
    # With other files it is another cache.
    text = (folder / "Recipe").read_text()
    (folder / "Recipe").write_text(text.replace("echo 1", "echo 7"))
    assert (lamina.files(folder) / "kept").read_text() == "7\n2\n"


def test_proxies_given_as_arguments_reach_steps_and_no_key(
    lamina: Lamina, tmp_path: Path
) -> None:
    text = "FROM busybox\nRUN echo $HTTP_PROXY,$http_proxy > /said\n"
    folder = project(tmp_path / "app", text)
    files = lamina.files(folder, "--build-arg", "http_proxy=http://one")
    assert (files / "said").read_text() == "http://one,http://one\n"
    again = build(lamina, folder, "--build-arg", "HTTP_PROXY=http://two")
    assert again.ran == []
    (folder / "Recipe").write_text(text.replace("RUN", "ARG HTTP_PROXY\nRUN"))
    assert build(lamina, folder, "--build-arg", "HTTP_PROXY=http://two").ran != []


def test_the_callers_umask_is_none_of_a_steps(tmp_path: Path) -> None:
    """Every user of a step may look up names, and sees the same modes everywhere."""
    folder = project(
        tmp_path / "app",
        "FROM busybox\nUSER 1000\nRUN cat /etc/hosts /etc/resolv.conf > /dev/null\n"
        "USER 0\nRUN cp -p /etc/hosts /etc/resolv.conf /\n"
        "RUN --network=none cp -p /etc/hosts /alone\n"
        "RUN --mount=type=cache,target=/c --mount=type=bind,target=/b "
        "stat -c '%n %a' /c /b /etc /etc/hosts > /modes\n",
    )
    files = []
    for number, umask in enumerate(("022", "077", "000")):
        place = tmp_path / str(number)
        place.mkdir()
        machine = Lamina(place).with_base()
        script = f'umask {umask}; exec "$@"'
        made = machine.files(folder, wrapper=("sh", "-c", script, "sh"))
        names = ("hosts", "resolv.conf", "alone")
        modes = {name: (made / name).stat().st_mode & 0o777 for name in names}
        files.append((modes, (made / "modes").read_text()))
        machine.end()
    assert files[0][0] == {"hosts": 0o644, "resolv.conf": 0o644, "alone": 0o644}
    assert files[1] == files[0] and files[2] == files[0]
