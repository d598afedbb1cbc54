"""What goes wrong: a clear sentence, the right exit code, nothing lost, nothing left.

Each test ends with a look for what was left behind (the fixture `lamina`), and with
`system check` on the store.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bases import (
    COMMAND,
    PROJECT,
    Done,
    Lamina,
    interrupt,
    project,
    wait_for_line,
)
from tests.oci.tars import directory, entry, hard_link, symlink, tar


@pytest.fixture(autouse=True)
def sound(lamina: Lamina) -> Iterator[None]:
    """The store is as good as before, and the base is still in it."""
    yield
    lamina.check()
    assert lamina.run("run", "--rm", "busybox", "echo", "well").out == "well\n"


def refused(lamina: Lamina, folder: Path, *args: str | Path) -> str:
    """What a build says that fails without an image."""
    done = lamina.run("build", "--progress", "quiet", *args, folder, code=1)
    assert done.out == ""
    return done.err


# Recipes

# A variable that holds itself ten times.
TEN = "$a" * 10


@pytest.mark.parametrize(
    ("recipe", "place", "words"),
    [
        ("", "1:1", ("empty", "hint: Start with")),
        ("RUN x\n", "1:1", ("before the first FROM",)),
        ("FROM busybox\nRUNN x\n", "2:1", ("no instruction RUNN", "Did you mean RUN")),
        ("FROM busybox\nRUN --mont=x true\n", "2:5", ("no flag --mont", "--mount")),
        ('FROM busybox\nENV A="x\n', "2:7", ("never closed",)),
        ("FROM busybox\nCOPY one\n", "2:", ("COPY",)),
        ("FROM busybox\nRUN <<EOF\nx\n", "2:", ("EOF",)),
        ("FROM busybox\nEXPOSE ninety\n", "2:", ("ninety",)),
        ("FROM busybox\nRUN --mount=type=cahce true\n", "2:", ("cahce",)),
        ("FROM busybox\nCOPY --chmod=9 Recipe /\n", "2:", ("9",)),
        ("FROM busybox\nCOPY --chown=who Recipe /\n", "2:", ("no user 'who'",)),
        ("FROM busybox\nUSER who\nRUN true\n", "3:", ("no user 'who'", "hint:")),
        ("FROM busybox\nENV A=${B?is needed}\n", "2:", ("needed",)),
        ("FROM busybox\nEXPOSE here:80\n", "2:8", ("'here' is no port of a host",)),
        ("FROM --platform=$NOPE busybox\n", "1:17", ("--platform=$NOPE is empty",)),
        ("FROM busybox\nENV $NOPE=1\n", "2:5", ("name is empty",)),
        ("FROM b AS a\nFROM a AS b\n", "1:6", ("Stage b comes after",)),
        (f"FROM busybox\nENV a={'a' * 20}\n" + f"ENV a={TEN}\n" * 5, "7:", ("1 MiB",)),
    ],
)
def test_a_recipe_with_a_mistake(
    lamina: Lamina, tmp_path: Path, recipe: str, place: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", recipe))
    assert f"at app/Recipe:{place}" in said
    assert all(word in said for word in words), said


def test_a_recipe_that_is_no_text(lamina: Lamina, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Recipe").write_bytes(b"FROM busybox\nRUN \xff\xfe\0\n")
    assert "Recipe" in refused(lamina, folder)


def test_unknown_stages(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox AS tools\nRUN echo > /x\n")
    said = refused(lamina, folder, "--target", "tool")
    assert "'tool'" in said and "tools" in said
    folder = project(tmp_path / "app", "FROM busybox\nCOPY --from=nowhere /x /y\n")
    said = refused(lamina, folder)
    assert "'nowhere'" in said and "app/Recipe:2:1" in said


def test_unknown_commands_flags_and_values(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\n")
    assert "`lamina build`" in lamina.run("buidl", code=2).err
    assert "--nope" in lamina.run("build", "--nope", folder, code=125).err
    assert "PATH" in lamina.run("build", code=1).err
    assert "'x'" in lamina.run("build", "--jobs", "x", folder, code=125).err
    assert "is not a folder" in refused(lamina, tmp_path / "nowhere")
    assert "'nope' cannot be read" in refused(lamina, folder, "-f", "nope")
    assert "names no image" in refused(lamina, folder, "-t", "Bad Name")
    assert "type=oci" in refused(lamina, folder, "-o", "type=rar,dest=x")
    assert "seconds" in refused(lamina, folder, "--source-date-epoch", "today")
    assert "no file" in refused(lamina, folder, "--secret", "id=a,src=nowhere")


def test_a_folder_without_a_recipe(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    said = refused(lamina, tmp_path / "app")
    assert "no recipe" in said and "Recipe, Dockerfile, Containerfile" in said


# Bases


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("nowhere:1", ("'nowhere:1' is neither a stage above nor", "lamina load")),
        ("debian:bookworm", ("lamina load", "FROM bootstrap:debian/bookworm")),
        ("Bad:Name:1", ("Bad:Name:1",)),
        ("oci-layout:nowhere", ("'nowhere'",)),
        ("docker-archive:nowhere.tar", ("'nowhere.tar'",)),
        ("bootstrap:plan9/fourth", ("plan9/fourth", "bootstrap:debian/bookworm")),
        ("--variant=tiny bootstrap:debian/bookworm", ("tiny", "minbase")),
    ],
)
def test_a_base_that_does_not_exist(
    lamina: Lamina, tmp_path: Path, base: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", f"FROM {base}\n"))
    assert "at app/Recipe:1:" in said
    assert all(word in said for word in words), said


# COPY


@pytest.mark.parametrize(
    ("instruction", "words"),
    [
        ("COPY mising /", ("mising is not in the build context", "missing")),
        ("COPY ../secret /", ("../secret is outside", "a folder above")),
        ("COPY out /", ("link to", "not in the build context")),
        ("COPY folder-out/secret /", ("not in the build context",)),
        ("COPY ignored /", ("ignored", ".dockerignore")),
        ("COPY missing /etc/motd/", ("/etc/motd",)),
        ("ADD mising /", ("mising is not in the build context",)),
        ("COPY --from=busybox /nowhere /x", ("nowhere",)),
        ("RUN --mount=type=bind,source=mising,target=/x true", ("mising",)),
    ],
)
def test_a_source_that_cannot_be_had(
    lamina: Lamina, tmp_path: Path, instruction: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "secret").write_text("hush")
    folder = project(
        tmp_path / "app", f"FROM busybox\n{instruction}\n", missing="m", ignored="i"
    )
    (folder / ".dockerignore").write_text("ignored\n")
    (folder / "out").symlink_to("../secret")
    (folder / "folder-out").symlink_to("..")
    said = refused(lamina, folder)
    assert "at app/Recipe:2:" in said
    assert all(word in said for word in words), said


def test_a_link_in_a_root_leads_nowhere_else(lamina: Lamina, tmp_path: Path) -> None:
    """COPY through a link that a step made stays inside the image (CVE-2024-23651)."""
    folder = project(
        tmp_path / "app",
        f"FROM busybox\nRUN ln -s {tmp_path} /way && ln -s /proc/self/root /self\n"
        "COPY Recipe /way/in\nCOPY Recipe /self/there\n"
        f"RUN test -f {tmp_path}/in\n",
    )
    lamina.build(folder)
    assert not (tmp_path / "in").exists()


# RUN


def test_a_step_that_fails(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN echo > /kept\n"
        "RUN for i in $(seq 50); do echo line $i; done; exit 42\n",
    )
    done = lamina.run("build", "-q", folder, code=1)
    assert done.out == ""
    assert "ended with exit code 42" in done.err
    assert "| line 50" in done.err and "line 2\n" not in done.err
    assert "app/Recipe:3:1" in done.err and ">>> RUN for" in done.err
    # What was made before is kept: only the failed step runs again.
    again = lamina.run("build", folder, code=1)
    assert again.steps["RUN echo > /kept"] == "CACHED"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nowhere", ("exit code 127", "hint:")),
        ('["nowhere"]', ("'nowhere' was not found in $PATH", "hint:")),
        ('["/etc/motd"]', ("'/etc/motd' cannot be executed",)),
        ("sh -c 'kill -9 $$'; exit $?", ("exit code 137",)),
    ],
)
def test_a_command_that_does_not_run(
    lamina: Lamina, tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    said = refused(lamina, project(tmp_path / "app", f"FROM busybox\nRUN {command}\n"))
    assert "at app/Recipe:2:" in said
    assert all(word in said for word in words), said


def test_a_step_that_is_killed(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(tmp_path / "app", "FROM busybox\nRUN sleep 1000.4711\n")
    process = lamina.start("build", folder)
    while not (victims := _pids_of("1000.4711", "sleep")):
        assert process.poll() is None
    os.kill(victims[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"137" in err or b"killed by signal 9" in err


def _pids_of(argument: str, program: str) -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if words[0].endswith(program) and argument in words:
            found.append(int(name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_a_step_hangs(
    lamina: Lamina, tmp_path: Path, number: signal.Signals
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox AS a\nRUN trap '' INT; echo ready; while :; do sleep 1; done\n"
        "FROM busybox AS b\nRUN echo ready; sleep 1000\n"
        "FROM scratch\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n",
    )
    process = lamina.start("build", "--jobs", "2", folder)
    wait_for_line(process, "ready")
    done = interrupt(process, number)
    assert done.code == 128 + number
    assert "Traceback" not in done.err


def test_ctrl_c_of_a_waiting_build(lamina: Lamina, tmp_path: Path) -> None:
    """Two builds want one step; the one that only waits can be interrupted."""
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo ready; sleep 5\n")
    first = lamina.start("build", folder)
    wait_for_line(first, "ready")
    second = lamina.start("build", folder)
    wait_for_line(second, "RUN")
    assert interrupt(second).code == 130
    first.communicate(timeout=60)
    assert first.returncode == 0


def test_a_fork_bomb_ends_at_the_limit(lamina: Lamina, tmp_path: Path) -> None:
    # Bounded: nobody forks below the fourteenth generation, all are gone in a minute.
    bomb = "bomb() { [ $1 -gt 13 ] || { bomb $(($1+1)) & bomb $(($1+1)) & }; sleep 8; }"
    folder = project(tmp_path / "app", f"FROM busybox\nRUN {bomb}; bomb 1; exit 7\n")
    done = lamina.run("build", folder, code=1)
    assert "can't fork" in done.err and "ended with exit code" in done.err


def test_a_step_with_much_output(lamina: Lamina, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nRUN head -c 20000000 /dev/zero | tr '\\0' x; echo; exit 3\n",
    )
    done = lamina.run("build", "-q", folder, code=1)
    assert len(done.err) < 200_000
    assert "exit code 3" in done.err


# Archives


def bomb() -> bytes:
    """A gigabyte of zeros in a megabyte."""
    head = tarfile.TarInfo("zeros")
    head.size = 1 << 30
    block = gzip.compress(bytes(1 << 20), 9)
    return gzip.compress(head.tobuf(), 9) + block * 1024


def escapes(canary: Path) -> dict[str, bytes]:
    """Archives that want to write to `canary`."""
    evil, up = b"evil", "../" * 20
    folder = str(canary.parent)
    return {
        "absolute": tar(entry(str(canary), evil)),
        "dots": tar(entry(f"{up}{canary}", evil)),
        "link": tar(symlink("way", folder), entry("way/canary", evil)),
        "link up": tar(symlink("way", f"{up}{folder}"), entry("way/canary", evil)),
        "hard link": tar(hard_link("canary", str(canary)), entry("canary", evil)),
        "duplicate": tar(directory("a"), symlink("a", folder), entry("a/canary", evil)),
    }


KINDS = ("absolute", "dots", "link", "link up", "hard link", "duplicate")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file beside the store that no archive may change."""
    path = tmp_path / "outside" / "canary"
    path.parent.mkdir()
    path.write_text("mine")
    yield path
    assert path.read_text() == "mine"
    assert os.listdir(path.parent) == ["canary"]


def clear(done: Done) -> None:
    """It was refused with a sentence, or made harmless."""
    assert done.code in (0, 1)
    assert done.code == 0 or done.err.startswith("lamina: "), done.err


def image_archive(layer: bytes, **changes: str) -> bytes:
    """A docker-archive of one layer; `changes` of what is said about it."""
    diff_id = changes.get("diff_id", "sha256:" + hashlib.sha256(layer).hexdigest())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    told = [{"Config": name, "RepoTags": ["evil:1"], "Layers": ["layer.tar"]}]
    return tar(
        entry(name, config),
        entry("layer.tar", layer),
        entry("manifest.json", json.dumps(told).encode()),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    layer = escapes(canary)[kind]
    done = lamina.run("load", given=image_archive(layer), code=None)
    clear(done)
    assert kind in ("absolute", "link", "link up") or done.code == 1, done


@pytest.mark.parametrize("kind", KINDS)
def test_imports_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    (lamina.place / "evil.tar").write_bytes(escapes(canary)[kind])
    clear(lamina.run("import", "evil.tar", "evil", code=None))


@pytest.mark.parametrize("kind", KINDS)
def test_added_archives_that_want_out(
    lamina: Lamina, canary: Path, tmp_path: Path, kind: str
) -> None:
    folder = project(
        tmp_path / "app",
        "FROM busybox\nADD evil.tar /\n",
        evil__tar=b"",
    )
    (folder / "evil.tar").write_bytes(escapes(canary)[kind])
    clear(lamina.run("build", "--progress", "quiet", folder, code=None))


@pytest.mark.parametrize("kind", KINDS)
def test_image_archives_that_want_out(lamina: Lamina, canary: Path, kind: str) -> None:
    """The outer tar: `load` reads its members by name and unpacks none."""
    done = lamina.run("load", given=escapes(canary)[kind], code=1)
    assert done.err.startswith("lamina: ")


def test_archives_that_are_cut(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "whole.tar", "busybox")
    lamina.run("save", "--format", "oci", "-o", "oci.tar", "busybox")
    for name in ("whole.tar", "oci.tar"):
        whole = (tmp_path / name).read_bytes()
        other = Lamina(tmp_path, tmp_path / "other")
        for part in (0, 1, 511, 513, len(whole) // 2, len(whole) * 3 // 4):
            for source in (["load"], ["import", "-"]):
                done = other.run(*source, given=whole[:part], code=None)
                assert done.code == 1 and done.err.startswith("lamina: "), (part, done)
        assert json.loads(other.run("images", "--format", "json").out or "[]") == []
        other.check()
        assert other.left_behind() == []


def test_archives_that_were_changed(lamina: Lamina, tmp_path: Path) -> None:
    layer = tar(entry("file", b"content"))
    wrong = "sha256:" + "0" * 64
    done = lamina.run("load", given=image_archive(layer, diff_id=wrong), code=1)
    assert "digest" in done.err or "diff_id" in done.err
    lamina.run("save", "--format", "oci", "--compression", "none", "-o", "a", "busybox")
    data = (tmp_path / "a").read_bytes()
    changed = data.replace(b"welcome\n", b"wElcome\n")
    # A store that has the layers already takes its own, which are sound.
    fresh = {"LAMINA_ROOT": str(tmp_path / "fresh")}
    done = lamina.run("load", given=changed, env=fresh, code=1)
    assert "digest" in done.err or "diff_id" in done.err
    for garbage in (b"x", bytes(10240), b"\x1f\x8b" + b"x" * 600, b"{}" * 600):
        assert lamina.run("load", given=garbage, code=1).err.startswith("lamina: ")


def test_a_bomb(lamina: Lamina, tmp_path: Path) -> None:
    """A thousand times its size: refused before the disk has it."""
    folder = project(tmp_path / "app", "FROM busybox\nADD bomb.tar.gz /\n")
    (folder / "bomb.tar.gz").write_bytes(bomb())
    for args in (["import", "app/bomb.tar.gz"], ["build", "-q", "app"]):
        done = lamina.run(*args, code=None)
        clear(done)
        assert done.code == 1, done
    assert lamina.run("load", given=image_archive(bomb()), code=1).err


# The machine


class Small:
    """`lamina` with its store on a small tmpfs in a mount namespace of its own."""

    def __init__(self, lamina: Lamina, size: str) -> None:
        self.lamina = lamina
        self.mount = (
            f"mount -t tmpfs -o size={size},mode=755 tmpfs {lamina.place}/small && "
        )
        (lamina.place / "small").mkdir()

    def run(self, script: str) -> Done:
        """A shell script in which $LAMINA is the command."""
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", self.mount + script],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": PROJECT,
                "LAMINA": " ".join(COMMAND),
                "LAMINA_ROOT": f"{self.lamina.place}/small/store",
            },
            cwd=self.lamina.place,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.root("it mounts a small disk")
@pytest.mark.parametrize("kilobytes", [100, 300, 1100, 1900])
def test_the_disk_is_full_while_loading(lamina: Lamina, kilobytes: int) -> None:
    lamina.run("save", "--format", "oci", "-o", "busybox.tar", "busybox")
    done = Small(lamina, f"{kilobytes}k").run(
        "$LAMINA load -i busybox.tar; echo code $?; "
        "test ! -e small/store/tmp || ls small/store/tmp; "
        "mount -o remount,size=10m small && $LAMINA system check"
    )
    assert done.out.startswith("code 1\n") and done.code == 0, done
    assert len(done.out.splitlines()) == 2, done
    assert "No space left on" in done.err and "hint: " in done.err


@pytest.mark.root("it mounts a small disk")
def test_a_step_that_fills_the_disk(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "busybox.tar", "busybox")
    project(
        tmp_path / "app",
        "FROM busybox\nRUN echo > /kept\n"
        "RUN dd if=/dev/zero of=/big bs=65536 count=1000\n",
    )
    project(tmp_path / "next", "FROM busybox\nRUN echo > /kept\nRUN echo > /more\n")
    done = Small(lamina, "12m").run(
        "$LAMINA load -q -i busybox.tar && $LAMINA build app; echo code $?; "
        "$LAMINA system check && $LAMINA build -q next && ls small/store/tmp"
    )
    assert "code 1\n" in done.out, done
    assert done.code == 0, done
    assert "No space left" in done.err
    assert "small/store" in done.err and "system prune" in done.err


@pytest.mark.root("it mounts a small disk")
def test_a_copy_that_fills_the_disk(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "busybox.tar", "busybox")
    project(tmp_path / "app", "FROM busybox\nCOPY big /\n", big=os.urandom(16 << 20))
    done = Small(lamina, "12m").run(
        "$LAMINA load -q -i busybox.tar && $LAMINA build app; echo code $?; "
        "$LAMINA system check && ls small/store/tmp"
    )
    assert "code 1\n" in done.out and done.code == 0, done
    assert "No space left on the disk" in done.err
    assert "small/store" in done.err and "system prune" in done.err


# One build with all that writes, with so many KiB more than the store has: files are
# looked at, copied, unpacked, made by a step and committed; the image, an archive and a
# cache for others are written.
PHASES = """\
FROM busybox AS a
COPY tree /tree
ADD tree.tar /added/
RUN --mount=type=cache,target=/c head -c 200000 /dev/urandom > /c/x; \
head -c 300000 /dev/urandom > /r
FROM busybox
WORKDIR /w
COPY --from=a /r /tree /w/
"""
ROOM = (0, 24, 80, 200, 400, 640, 960, 1300, 1800, 2600)
SWEEP = """
$LAMINA load -q -i busybox.tar || exit 9
for room in {room}; do
  used=$(df -k small | awk 'NR==2{{print $3}}')
  mount -o remount,size=$((used + room))k small
  $LAMINA build --no-cache -q -o type=oci,dest=small/out.tar \
    --cache-to type=local,dest=small/cache,mode=max,mounts=true app; echo code $?
  mount -o remount,size=64m small
  ls small/store/tmp; ls small | grep -v -x -e store -e cache
  $LAMINA system check >&2 || exit 8
  rm -rf small/cache small/out.tar; $LAMINA system prune -f >/dev/null
done
$LAMINA build -q app >/dev/null
"""


@pytest.mark.root("it mounts a small disk")
def test_the_disk_is_full_in_every_phase(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "busybox.tar", "busybox")
    tree = {f"tree__{n}": os.urandom(5000) for n in range(40)}
    folder = project(tmp_path / "app", PHASES, **tree)
    with tarfile.open(folder / "tree.tar", "w") as archive:
        archive.add(folder / "tree", ".")
    sweep = SWEEP.format(room=" ".join(map(str, ROOM)))
    done = Small(lamina, "64m").run(sweep)
    # Nothing is left in the folder for what is unfinished, and no half archive.
    assert (done.code, done.out) == (0, "code 1\n" * len(ROOM)), done
    assert done.err.count("lamina: No space left on ") == len(ROOM)
    assert done.err.count("hint: ") == len(ROOM)


@pytest.mark.root("it mounts a small disk")
def test_containers_on_a_full_disk(lamina: Lamina, tmp_path: Path) -> None:
    lamina.run("save", "-o", "busybox.tar", "busybox")
    done = Small(lamina, "18m").run(
        "$LAMINA load -q -i busybox.tar && $LAMINA run --name large busybox"
        " dd if=/dev/zero of=/big bs=65536 count=160 2>/dev/null || exit\n"
        "for words in 'commit large made' 'export -o small/tar large'; do\n"
        " $LAMINA $words; echo code $?; done\n"
        "dd if=/dev/zero of=small/rest bs=65536 count=400 2>/dev/null\n"
        "$LAMINA run --rm busybox true; echo code $?\n"
        "$LAMINA rm large; rm small/rest; ls small; $LAMINA ps -aq\n"
        "$LAMINA system check && ls small/store/tmp"
    )
    codes = [line for line in done.out.splitlines() if line.startswith("code")]
    assert codes == ["code 1", "code 1", "code 125"], done
    assert done.err.count("lamina: No space left on the disk") == 3, done
    assert done.err.count("system prune") == 3
    assert done.out.splitlines()[-3:-1] == ["large", "store"], done
    assert done.out.endswith("all is well\n") and done.code == 0, done


def test_a_store_that_cannot_be_written(lamina: Lamina, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    other = Lamina(tmp_path, tmp_path / "file" / "store")
    said = other.run("images", code=1).err
    assert "file/store cannot be made" in said and "LAMINA_ROOT" in said


@pytest.mark.root("a root without capabilities")
def test_no_permission_for_namespaces(lamina: Lamina, tmp_path: Path) -> None:
    """Root without CAP_SYS_ADMIN, as in a container: it says what to do."""
    folder = project(tmp_path / "app", "FROM busybox\nRUN echo > /a\n")
    without = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    for args in (["build", "-q", folder], ["run", "--rm", "busybox", "true"]):
        done = lamina.run(*args, wrapper=without, code=None)
        assert done.code == (1 if args[0] == "build" else 125), done
        assert "hint: " in done.err
        assert "CAP_SYS_ADMIN" in done.err or "--privileged" in done.err, done.err
