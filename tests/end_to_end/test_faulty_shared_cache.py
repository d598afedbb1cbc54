"""A shared cache that is not as it should be, or is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.bases import Lamina, project
from tests.end_to_end.machines import Machines
from tests.end_to_end.sharing import RECIPE, STEPS, blob, build, document, forge, of, to


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return project(tmp_path / "app", RECIPE, src__a="a\n", src__b="b\n", more="m\n")


@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_a_damaged_layer_is_made_again(
    machines: Machines, app: Path, tmp_path: Path, damage: str
) -> None:
    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    layers = document(place)["layers"]
    assert isinstance(layers, list)
    for layer in layers:
        path = blob(place, layer["blob"]["digest"])
        data = path.read_bytes()
        path.unlink()
        if damage == "cut":
            path.write_bytes(data[:-20])
        elif damage == "changed":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = build(there, app, *of(place), *to(place))
    assert f"warning: the cache {place} does not give a layer" in done.err
    assert "RUN mkdir /opt && echo tool > /opt/tool" in done.ran
    there.check()
    # Who saw that and wrote it once more has mended it.
    assert build(machines.new(), app, *of(place)).ran == []


def test_a_cache_that_lies_about_a_content(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    """Two layers are swapped, with all of their digests; only the contents are not."""
    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    lie = document(place)
    layers = lie["layers"]
    assert isinstance(layers, list)
    parts = ("blob", "times", "diff_id", "compressor")
    one, other = layers[0], layers[1]
    for part in parts:
        one[part], other[part] = other[part], one[part]
    forge(place, lie)
    done = build(there, app, *of(place))
    assert "cannot be kept here as it was made" in done.err
    there.check()
    words = ("cat", "/srv/src/a", "/more", "/opt/tool", "/out")
    ran = there.run("run", "--rm", "--network", "none", done.out.strip(), *words)
    assert ran.out == "a\nm\ntool\ntool\n"


_HOSTILE: dict[str, object] = {
    "args": [[1], {"a": []}, "text", [["x"]]],
    "env": [["A"], {"A": ["x"]}, {"A": {}}, 5, "A=B"],
    "hosts": [["db"], [["a", "b", "c"]], {"a": "b"}, [[1, 2]]],
    "mounts": ["x", [1], [{}], [{"target": []}], [{"target": "/m", "size": [[]]}]],
    "scripts": [[], ["EOF"], {"EOF": 1}],
    "inline": ["x"],
    "exclude": [7, [["a"]]],
    "reads": [{"files": ["x"]}, {"files": 1}, {"files": "\x1b[2J"}],
    "cwd": [["/"], {"a": {}}],
    "platform": [[]],
    "version": ["\x1b]0;x\x07"],
    "user": [10**4000],
    "kind": [["run"]],
}


@pytest.mark.parametrize("field", _HOSTILE)
def test_keys_of_any_kind_explain_nothing_and_break_nothing(
    machines: Machines, app: Path, tmp_path: Path, field: str
) -> None:
    """Why there is no result is told by what others wrote."""
    from lamina.oci.digest import Digest

    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    (app / "src/a").write_text("changed\n")
    recipe = (app / "Recipe").read_text()
    (app / "Recipe").write_text(recipe.replace("echo tool", "echo other"))
    lie = document(place)
    records = lie["records"]
    assert isinstance(records, list)
    forged = []
    values = _HOSTILE[field]
    assert isinstance(values, list)
    for hostile in values:
        for known in records:
            fields = json.dumps({**json.loads(known["fields"]), field: hostile})
            key = Digest.of(fields.encode())
            forged.append({**known, "fields": fields, "key": key})
    lie["records"] = sorted(forged, key=lambda one: str(one["key"]))
    forge(place, lie)
    done = build(there, app, "--explain", *of(place))
    assert len(done.ran) == STEPS
    assert "\x1b" not in done.err


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_a_key_that_is_hardly_json(
    machines: Machines, app: Path, tmp_path: Path, nested: str
) -> None:
    from lamina.oci.digest import Digest

    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    (app / "src/a").write_text("changed\n")
    lie = document(place)
    records = lie["records"]
    assert isinstance(records, list)
    for known in records:
        known.update(fields=nested, key=Digest.of(nested.encode()))
    forge(place, lie)
    assert len(build(there, app, "--explain", *of(place)).ran) == STEPS


def test_text_that_is_none(machines: Machines, app: Path, tmp_path: Path) -> None:
    here, there, place = machines.new(), machines.new(), tmp_path / "c"
    build(here, app, *to(place))
    lie = document(place)
    records = lie["records"]
    assert isinstance(records, list)
    for known in records:
        known["name"] = "\ud800"
    forge(place, lie)
    assert build(there, app, *of(place)).ran == []
    there.check()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"index.json": "{"}, "not JSON"),
        (
            {"index.json": '{"schemaVersion":2,"manifests":[]}'},
            "nothing called latest",
        ),
        ({"other": "file"}, "no OCI layout"),
    ],
    ids=["broken", "empty", "something else"],
)
def test_what_is_no_cache_is_said_and_no_failure(
    machines: Machines, app: Path, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    machine, place = machines.new(), project(tmp_path / "c", "", **files)
    done = build(machine, app, *of(place))
    assert len(done.ran) == STEPS
    assert said in done.err


def test_an_image_is_no_cache(machines: Machines, app: Path, tmp_path: Path) -> None:
    machine = machines.new()
    output = f"type=oci,tar=false,dest={tmp_path / 'image'}"
    machine.run("build", "-q", "-t", "x:latest", "-o", output, app)
    machine.run("rmi", "-f", "x:latest")
    machine.run("system", "prune", "-af")
    machine.run("load", "-q", "-i", tmp_path / "base.tar")
    done = build(machine, app, *of(tmp_path / "image"))
    assert "and no cache that Lamina wrote" in done.err
    assert len(done.ran) == STEPS


def test_a_folder_of_other_files_is_left_alone(
    machines: Machines, app: Path, tmp_path: Path
) -> None:
    machine = machines.new()
    place = project(tmp_path / "c", "", mine="precious\n")
    done = machine.run("build", *to(place), app, code=1)
    assert "holds other files than an OCI layout" in done.err
    assert done.steps == {}
    done = machine.run("build", *to(place / "mine"), app, code=1)
    assert "is no folder" in done.err
    done = machine.run("build", "-t", "app", *to(place, "ignore-error=true"), app)
    assert f"warning: The cache {place} cannot be written" in done.err
    assert (place / "mine").read_text() == "precious\n"
    machine.run("inspect", "app")


def test_a_failed_build_writes_nothing(machines: Machines, tmp_path: Path) -> None:
    machine = machines.new()
    app = project(tmp_path / "app", "FROM busybox\nRUN echo > /a\nRUN false\n")
    machine.run("build", *to(tmp_path / "c"), app, code=1)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--cache-to", "type=inline"), "--cache-to has no type=inline"),
        (("--cache-from", "type=gha"), "--cache-from has no type=gha"),
        (("--cache-from", "type=local"), "type=local needs a folder"),
        (("--cache-from", "type=local,dest=x"), "has no 'dest'"),
        (("--cache-to", "type=local,dest=x,mode=mid"), "neither min nor max"),
        (("--cache-to", "a:b:c:d"), "a:b:c:d"),
    ],
)
def test_wrong_words(
    lamina: Lamina, app: Path, flags: tuple[str, ...], said: str
) -> None:
    done = lamina.run("build", *flags, app, code=1)
    assert said in done.err
    assert not (lamina.store / "layers").exists() or not done.steps
