"""The commands on images, as a user types them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.main import main
from lamina.oci.store.store import Store
from tests.oci.image_archives import config, digest, docker_archive, layout, tar

ONE = tar({"etc/name": b"one", "bin/sh": b"x" * 5000})
TWO = tar({"etc/other": b"two"})
ID_ONE, ID_TWO = digest(config(ONE)), digest(config(ONE, TWO))


class Shell:
    """Runs commands on one store; what they print is kept."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.root = str(folder / "store")
        self.error = ""
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        found = main(["--root", self.root, *words])
        out, self.error = self._capsys.readouterr()
        assert found == code, self.error
        return out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words))

    def put(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    shell = Shell(tmp_path, capsys)
    shell("load", "-i", shell.put("one.tar", tar(docker_archive(ONE))))
    return shell


def add_two(run: Shell, *tags: str) -> None:
    run("load", "-i", run.put("two.tar", tar(docker_archive(ONE, TWO, tags=tags))))


# load


def test_load_says_what_came(run: Shell) -> None:
    path = run.put("x.tar", tar(docker_archive(ONE, TWO, tags=("b:1", "q.io/c:2"))))
    assert run("load", "-i", path) == "Loaded image: b:1\nLoaded image: q.io/c:2\n"
    path = run.put("y.tar", tar(docker_archive(TWO, tags=())))
    assert run("load", "-i", path) == f"Loaded image ID: {digest(config(TWO))}\n"
    # Scripts read the name from it.
    assert run("load", "-q", "-i", path).startswith("Loaded image ID: ")


def test_load_from_a_pipe(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lamina", "--root", str(tmp_path / "store"), "load"],
        input=gzip.compress(tar(layout(ONE))),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"Loaded image: app:1\n"), done.stderr


def test_a_bad_archive_is_one_line_and_a_hint(run: Shell) -> None:
    path = run.put("bad.tar", tar({**docker_archive(TWO), "0/layer.tar": ONE}))
    before = run("images")
    run("load", "-i", path, code=1)
    first, hint = run.error.splitlines()
    assert first.startswith("lamina: The layer '0/layer.tar' has the diff_id sha256:")
    assert hint.startswith("  hint: The archive is damaged")
    assert run("images") == before


def test_half_of_a_character_in_a_config(run: Shell) -> None:
    """As Go reads it: nothing is stored or printed that is no text."""
    odd: dict[str, Any] = {"Labels": {"\ud800": "\udfff"}, "User": "\ud800"}
    odd |= {"Env": ["\ud800=1"], "Volumes": {"/\ud800": {}}}
    data = config(TWO, config=odd, author="\ud800")
    files = docker_archive(TWO)
    old, new = digest(config(TWO))[7:].encode(), digest(data)[7:].encode()
    renamed = {
        name.replace(old.decode(), new.decode()): (
            data if body == config(TWO) else body.replace(old, new)
        )
        for name, body in files.items()
    }
    run("load", "-i", run.put("odd.tar", tar(renamed)))
    (found,) = run.json("inspect", "app:1")
    assert found["Config"]["Labels"] == {"\ufffd": "\ufffd"}
    assert found["Author"] == found["Config"]["User"] == "\ufffd"
    assert found["Id"] == digest(data)
    run("history", "app:1")


def test_images_made_before_and_after(run: Shell) -> None:
    path = run.put("root.tar", TWO)
    run("import", path, "young:1")  # today; app:1 says that it is of January 2026

    def shown(flt: str) -> list[str]:
        return run("images", "-f", flt, "--format", "{{.Repository}}").split()

    assert shown("since=app:1") == ["young"]
    assert shown("before=young:1") == ["app"]
    assert shown("before=app:1") == shown("since=young:1") == []
    assert shown("until=2026-02-28") == ["app"]
    assert shown("until=2025-02-28") == []
    run("images", "-f", "before=nobody", code=1)
    assert "No such image: nobody" in run.error
    run("images", "-f", "until=x", code=1)


@pytest.mark.parametrize("name", ["sha256:aaaa", f"sha256:{'a' * 64}"])
def test_a_name_that_reads_as_an_id(run: Shell, name: str) -> None:
    """Who asks for an image by its ID gets no other, whatever an archive says."""
    run("tag", "app:1", name, code=1)
    assert "reads as an ID" in run.error
    path = run.put("lie.tar", tar(docker_archive(ONE, TWO, tags=(name,))))
    run("load", "-i", path, code=1)
    run("inspect", name, code=1)
    run("import", run.put("root.tar", TWO), name, code=1)
    run("tag", "app:1", f"localhost:5000/{name}")


# save


@pytest.mark.parametrize("form", ["docker-archive", "oci"])
def test_save_and_load(run: Shell, form: str) -> None:
    out = str(run.folder / "out.tar")
    assert run("save", "--format", form, "-o", out, "app:1") == ""
    run("rmi", "app:1")
    assert run("load", "-i", out) == "Loaded image: app:1\n"
    assert run("images", "-q", "--no-trunc") == f"{ID_ONE}\n"


def test_a_bare_name_saves_all_tags(run: Shell) -> None:
    add_two(run, "app:2", "other:1")
    out = str(run.folder / "out.tar")
    run("save", "-o", out, "app")
    run("rmi", "app:1", "app:2", "other:1")
    assert run("load", "-i", out) == "Loaded image: app:1\nLoaded image: app:2\n"


def test_an_id_saves_no_name(run: Shell) -> None:
    out = str(run.folder / "layout")
    run("save", "--format", "oci-dir", "-o", out, ID_ONE[7:19])
    assert run("load", "-i", out) == f"Loaded image ID: {ID_ONE}\n"


def test_save_of_nothing(run: Shell) -> None:
    out = run.folder / "out.tar"
    run("save", "-o", str(out), "app:1", "nothing", code=1)
    assert "No such image: nothing" in run.error
    assert not out.exists()


def test_save_to_where_nobody_may_write(run: Shell) -> None:
    run("save", "-o", "/proc/out.tar", "app:1", code=1)
    assert "cannot be written" in run.error


# images


def test_the_table(run: Shell) -> None:
    add_two(run, "b:latest", "b:2")
    lines = run("images").splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert sorted(line.split()[:3] for line in lines[1:]) == [
        ["app", "1", ID_ONE[7:19]],
        ["b", "2", ID_TWO[7:19]],
        ["b", "latest", ID_TWO[7:19]],
    ]
    assert {line.split()[-1] for line in lines[1:]} == {"5kB", "5.01kB"}


def test_some_of_the_images(run: Shell) -> None:
    add_two(run)
    one, two = ID_ONE[7:19], ID_TWO[7:19]
    assert sorted(run("images", "-q").split()) == sorted((one, two))
    assert run("images", "-q", "app").split() == [one]
    assert run("images", "-q", "app:9").split() == []
    assert run("images", "-q", "-f", "dangling=true").split() == [two]
    assert run("images", "-q", "-f", "dangling=false").split() == [one]
    assert run("images", "-q", "-f", "reference=a*:1").split() == [one]
    assert run("images", "-q", "-f", "label=x").split() == []
    # Of references any, and a pattern goes over no slash.
    both = ("-f", "reference=app", "-f", "reference=q.io/*")
    assert run("images", "-q", *both).split() == [one]
    run("tag", "app:1", "q.io/team/app:1")
    words = ("images", "--format", "{{.Repository}}")
    assert run(*words, "*app").split() == ["app"]
    assert run(*words, "q.io/*").split() == []
    assert run(*words, "q.io/*/app").split() == ["q.io/team/app"]
    run("images", "-f", "color=red", code=1)
    assert "There is no filter 'color=red'" in run.error


def test_an_image_that_cannot_be_read_hides_no_other(run: Shell) -> None:
    add_two(run, "b:2")
    store = Store.open(run.root)
    with store.transaction() as change:
        change.execute("UPDATE image SET config=? WHERE id=?", (b"{", ID_ONE))
    store.close()
    lines = [line.split()[:3] for line in run("images").splitlines()[1:]]
    assert sorted(lines) == [["app", "1", ID_ONE[7:19]], ["b", "2", ID_TWO[7:19]]]
    assert "app" in run("images", "--tree")
    run("system", "check", code=1)
    assert run("rmi", "app:1").endswith(f"Deleted: {ID_ONE}\n")


def test_formats_of_images(run: Shell) -> None:
    assert run("images", "--format", "{{.Repository}}:{{.Tag}}") == "app:1\n"
    row = run.json("images", "--format", "json")
    assert (row["ID"], row["Digest"], row["Size"]) == (ID_ONE[7:19], "<none>", "5kB")
    assert "DIGEST" in run("images", "--digests")


# tag and rmi


def test_tags_come_and_go(run: Shell) -> None:
    run("tag", "app:1", "localhost:5000/app:x")
    assert run("rmi", "app:1") == "Untagged: app:1\n"
    out = run("rmi", "localhost:5000/app:x")
    assert out == (
        f"Untagged: localhost:5000/app:x\nDeleted: {ID_ONE}\nDeleted: {digest(ONE)}\n"
    )
    assert run("images", "-q") == ""
    assert os.listdir(f"{run.root}/layers") == []


def test_tag_needs_an_image_and_a_name(run: Shell) -> None:
    run("tag", "nothing", "x", code=1)
    run("tag", "app:1", "Upper:case", code=1)
    run("tag", "app:1", f"x@{ID_ONE}", code=1)
    assert "has a digest" in run.error


def test_rmi_by_id_wants_force_for_several_names(run: Shell) -> None:
    run("tag", "app:1", "b:2")
    run("rmi", ID_ONE[7:19], code=1)
    assert "has several names: app:1, b:2" in run.error
    assert run("rmi", "-f", ID_ONE[7:19]).splitlines()[:3] == [
        "Untagged: app:1",
        "Untagged: b:2",
        f"Deleted: {ID_ONE}",
    ]


def test_rmi_goes_on_after_an_error(run: Shell) -> None:
    assert "Untagged: app:1" in run("rmi", "nothing", "app:1", code=1)
    assert "No such image: nothing" in run.error
    run("rmi", "-f", "nothing")


def test_layers_that_others_need_stay(run: Shell) -> None:
    add_two(run, "b:1")
    run("rmi", "b:1")
    store = Store.open(run.root)
    assert store.layer(digest(ONE)) is not None
    assert store.layer(digest(TWO)) is None
    store.close()


# inspect and history


def test_inspect_has_dockers_shape(run: Shell) -> None:
    (found,) = run.json("inspect", "app:1")
    assert found["Id"] == ID_ONE
    assert found["RepoTags"] == ["app:1"]
    assert found["Config"]["Cmd"] == ["/bin/sh"]
    assert found["Config"]["Env"] is None
    assert found["RootFS"] == {"Type": "layers", "Layers": [digest(ONE)]}
    assert (found["Architecture"], found["Os"], found["Size"]) == (
        "amd64",
        "linux",
        5003,
    )


def test_inspect_with_a_format(run: Shell) -> None:
    assert run("inspect", "-f", "{{.Os}} {{json .Config.Cmd}}", "app:1") == (
        'linux ["/bin/sh"]\n'
    )
    run("inspect", "-f", "{{.Nowhere}}", "app:1", code=1)
    assert "there is no field .Nowhere" in run.error


def test_inspect_of_nothing(run: Shell) -> None:
    (found,) = json.loads(run("inspect", "nothing", "app:1", code=1))
    assert found["Id"] == ID_ONE
    assert run.error == "lamina: No such object: nothing\n"
    run("inspect", "--type", "container", "app:1", code=1)


def test_history(run: Shell) -> None:
    steps = [
        {"created": "2026-01-31T00:00:00Z", "created_by": "COPY . /"},
        {"created_by": "CMD " + "x" * 60, "empty_layer": True, "comment": "c"},
        {"created_by": "RUN <<EOF\n\ttrue\x1b[1m\nEOF"},
    ]
    written = config(ONE, TWO, history=steps)
    files = docker_archive(ONE, TWO)
    del files[f"{ID_TWO[7:]}.json"]
    name = f"{digest(written)[7:]}.json"
    entry = json.loads(files["manifest.json"])
    entry[0]["Config"] = name
    files[name], files["manifest.json"] = written, json.dumps(entry).encode()
    run("load", "-i", run.put("x.tar", tar(files)))
    rows = [
        json.loads(line)
        for line in run("history", "--format", "json", "app:1").splitlines()
    ]
    assert [row["ID"] for row in rows] == [digest(written)[7:19], *["<missing>"] * 2]
    assert [row["Size"] for row in rows] == ["3B", "0B", "5kB"]
    assert rows[1]["CreatedBy"] == "CMD " + "x" * 40 + "…"
    assert "x" * 60 in run("history", "--no-trunc", "app:1")
    assert "RUN <<EOF true\\x1b[1m EOF" in run("history", "--no-trunc", "app:1")
    assert run("history", "-q", "app:1").splitlines()[1:] == ["<missing>"] * 2


# import


def test_import(run: Shell) -> None:
    path = run.put("files.tgz", gzip.compress(TWO))
    changes = ["-c", 'CMD ["/bin/x"]', "-c", "ENV A=b", "-c", "LABEL k=v"]
    identity = run("import", *changes, "-m", "from there", path, "made:1").strip()
    (found,) = run.json("inspect", "made:1")
    assert found["Id"] == identity
    assert found["RootFS"]["Layers"] == [digest(TWO)]
    assert found["Config"]["Cmd"] == ["/bin/x"]
    assert "A=b" in found["Config"]["Env"]
    assert found["Config"]["Labels"] == {"k": "v"}
    assert found["Comment"] == "from there"


def test_import_at_a_time_that_no_image_can_have(
    run: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "9" * 30)
    run("import", run.put("root.tar", ONE), code=1)
    assert "which is no number of seconds" in run.error


def test_import_gives_the_same_image_at_one_epoch(
    run: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = run.put("files.tar", TWO)
    assert run("import", path) == run("import", path)
    assert run(
        "images", "--format", "{{.CreatedAt}}", "-f", "dangling=true"
    ).startswith("2023-11-14")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-c", "RUN true", "FILE"), "changes more than the image's config"),
        (("-c", "NOSUCH x", "FILE"), "NOSUCH"),
        (("/nowhere.tar",), "cannot be read"),
        (("https://example.test/x.tar",), "not addresses"),
        (("FILE", "Bad Name"), "names no image"),
    ],
)
def test_import_of_what_is_wrong(
    run: Shell, words: tuple[str, ...], message: str
) -> None:
    path = run.put("files.tar", TWO)
    run("import", *(path if word == "FILE" else word for word in words), code=1)
    assert message in run.error
    assert len(run("images", "-q").split()) == 1
