"""The machine fails: a full disk, a store that cannot be written, no permission."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.end_to_end.bases import (
    COMMAND,
    PROJECT,
    Done,
    Lamina,
    project,
)


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
$LAMINA load -q -i busybox.tar >/dev/null || exit 9
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
        # Who looks for what fills it is not sent away.
        "$LAMINA ps -a >looked && $LAMINA images >looked && $LAMINA system df >looked\n"
        "echo code $?\n"
        "$LAMINA rm large; rm small/rest; ls small; $LAMINA ps -aq\n"
        "$LAMINA system check && ls small/store/tmp"
    )
    codes = [line for line in done.out.splitlines() if line.startswith("code")]
    assert codes == ["code 1", "code 1", "code 125", "code 0"], done
    assert done.err.count("lamina: No space left on the disk") == 3, done
    assert done.err.count("system prune") == 3
    assert done.out.splitlines()[-3:-1] == ["large", "store"], done
    assert done.out.endswith("all is well\n") and done.code == 0, done


@pytest.mark.root("it mounts a small disk")
def test_prune_makes_room_where_there_is_none(lamina: Lamina, tmp_path: Path) -> None:
    """Not a byte is free: the index has to be opened, and what goes noted in it."""
    lamina.run("save", "-o", "busybox.tar", "busybox")
    project(tmp_path / "app", "FROM busybox\nCOPY big /\n", big=os.urandom(8 << 20))
    done = Small(lamina, "32m").run(
        "$LAMINA load -q -i busybox.tar >/dev/null && $LAMINA build -q app || exit 9\n"
        "dd if=/dev/zero of=small/rest bs=1k count=40000 2>/dev/null\n"
        "df -k --output=avail small | tail -n 1\n"
        "$LAMINA images -q; echo code $?\n"
        "$LAMINA system prune -af || exit 8\n"
        "test $(df -k --output=avail small | tail -n 1) -gt 8000 || exit 7\n"
        # It can be done again.
        "dd if=/dev/zero of=small/more bs=1k count=40000 2>/dev/null\n"
        "$LAMINA system prune -af && rm small/rest small/more\n"
        "$LAMINA system check"
    )
    lines = [line.strip() for line in done.out.splitlines()]
    assert (lines[1], lines[4]) == ("0", "code 0"), done
    assert lines[-1].endswith("all is well"), done
    assert done.code == 0, done


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


@pytest.mark.root("it mounts a small disk")
def test_what_frees_room_works_again_and_again(lamina: Lamina) -> None:
    """What it gave up first to have room it has again in the end."""
    lamina.run("save", "-o", "busybox.tar", "busybox")
    fill = "cat /dev/zero > small/filler$n 2>/dev/null; n=2; "
    done = Small(lamina, "16m").run(
        "n=1; $LAMINA load -q -i busybox.tar && $LAMINA tag busybox more || exit 9; "
        f"{fill} $LAMINA system prune -f && {fill} $LAMINA system prune -f && "
        f"{fill} $LAMINA container prune -f && "
        f"{fill} $LAMINA rmi more && {fill} $LAMINA rm -f none; "
        f"{fill} $LAMINA system prune -af && $LAMINA images -q; echo code $?"
    )
    assert done.out.endswith("MB\ncode 0\n"), done
    assert "Untagged: more:latest" in done.out, done
    assert "No space" not in done.err


@pytest.mark.root("it mounts a small disk")
def test_what_frees_room_works_where_no_file_can_be_made(lamina: Lamina) -> None:
    """The disk has bytes, and no inode: for a state, for the index and its log."""
    lamina.run("save", "-o", "busybox.tar", "busybox")
    fill = "i=0; while true >small/f$n-$i; do i=$((i+1)); done 2>/dev/null; n=2;"
    sh = "busybox sh -c 'i=0; while true > /f$i; do i=$((i+1)); done'"
    done = Small(lamina, "64m,nr_inodes=2000").run(
        "n=1; $LAMINA load -q -i busybox.tar && $LAMINA tag busybox more || exit 9\n"
        "$LAMINA run --network none --name full " + sh + " 2>/dev/null\n"
        f"{fill} df --output=iavail small | tail -n 1\n"
        "$LAMINA ps -aq --no-trunc | wc -l; $LAMINA images -q | wc -l\n"
        f"{fill} $LAMINA rm full && {fill} $LAMINA rmi more || exit 8\n"
        f"{fill} $LAMINA system prune -af || exit 7\n"
        f"{fill} $LAMINA system prune -af || exit 6\n"
        "rm small/f*; $LAMINA load -q -i busybox.tar && $LAMINA system check"
    )
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[1:4] == ["0", "1", "1"], done
    assert lines[-1].endswith("all is well"), done
    assert done.code == 0, done


FAILED = """
truncate -s 64M disk && mkfs.ext4 -q disk && mkdir failed || exit 9
mount -o loop,errors=remount-ro disk failed || exit 9
export LAMINA_ROOT=$PWD/failed/store
$LAMINA load -q -i busybox.tar >/dev/null || exit 8
run="$LAMINA run -d --network none"
$run --name talks busybox sh -c 'while :; do echo x; sleep 0.05; done' >/dev/null
$run --name sleeps busybox sleep 1000 >/dev/null
sleep 0.3
mount -o remount,abort failed || exit 7
sleep 1
$LAMINA ps -a --format '{{.Names}} {{.Status}}' | sed 's/ [0-9L].*//'
$LAMINA logs --tail 1 talks; $LAMINA images -q | wc -l
$LAMINA tag busybox more; $LAMINA create busybox; $LAMINA build -q app
$LAMINA stop -t 0 talks; $LAMINA kill sleeps; $LAMINA ps -q | wc -l
"""


@pytest.mark.root("a disk that fails")
def test_a_disk_that_failed_and_is_read_only(lamina: Lamina, tmp_path: Path) -> None:
    """What runs goes on, is seen, and can be stopped; what would write says why not."""
    lamina.run("save", "-o", "busybox.tar", "busybox")
    project(tmp_path / "app", "FROM busybox\nRUN echo > /a\n")
    done = Small(lamina, "1m").run(FAILED)
    lines = done.out.splitlines()
    assert lines == ["sleeps Up", "talks Up", "x", "1", "talks", "sleeps", "0"], done
    said = [line for line in done.err.splitlines() if line.startswith("lamina: ")]
    assert len(said) == 3 and all("ead-only" in line for line in said), done
    assert "is on a disk that is read-only" in done.err
