"""builder.outputs and builder.annotations: what `-o` and `--annotation` say."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.builder.errors import InvalidOption
from lamina.builder.exports.annotations import (
    Annotation,
    at,
    parse_annotation,
    require_index,
)
from lamina.builder.exports.outputs import Output, check_places, parse_output


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("-", Output("tar", "-")),
        ("out", Output("local", "out")),
        ("type=local,dest=out", Output("local", "out")),
        ("type=local,dest=out,owners=keep", Output("local", "out", keeps_owners=True)),
        ("type=local,dest=o,platform-split=0", Output("local", "o", split=False)),
        ("type=tar", Output("tar", "-")),
        ("type=oci,dest=x.tar", Output("oci", "x.tar")),
        ("type=oci,dest=x,tar=false", Output("oci", "x", is_folder=True)),
        ('type=oci,"name=a:1,b:2"', Output("oci", "-", ("a:1", "b:2"))),
        ("type=image,name=a", Output("image", names=("a",))),
        ("type=docker,compression=zstd", Output("docker", "-", compression="zstd")),
        (
            "type=oci,compression-level=9,force-compression=true",
            Output("oci", "-", compression="gzip", level=9),
        ),
        ("type=oci,compression=uncompressed", Output("oci", "-", compression="none")),
        ("type=oci,oci-mediatypes=false", Output("oci", "-", docker_types=True)),
        (
            "type=oci,rewrite-timestamp=true,dest=a b",
            Output("oci", "a b", rewrites_times=True),
        ),
        ("type=cacheonly", Output("cacheonly")),
        (
            "type=oci,annotation.a.b=c=d,annotation-index[linux/aarch64].e=f",
            Output(
                *("oci", "-"),
                annotations=(
                    Annotation("manifest", "", "a.b", "c=d"),
                    Annotation("index", "linux/arm64", "e", "f"),
                ),
            ),
        ),
    ],
)
def test_what_an_output_says(text: str, output: Output) -> None:
    assert parse_output(text) == output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=rar,dest=x", "no known type"),
        ("dest=x", "no known type"),
        ("type=oci,color=red", "has no 'color'"),
        ("type=tar,compression=gzip", "has no 'compression'"),
        ("type=oci,compression=estargz", "estargz"),
        ("type=oci,compression=lzma", "no compression 'lzma'"),
        ("type=oci,compression-level=10", "level 10"),
        ("type=oci,compression=zstd,compression-level=x", "level x"),
        ("type=oci,tar=perhaps", "neither true nor false"),
        ("type=oci,tar=false", "no dest"),
        ("type=local", "no dest"),
        ("type=local,dest=x,owners=mine", "owners=mine"),
        ("type=docker,tar=false,dest=-", "cannot go to stdout"),
        ('type=oci,"name=a', "not closed"),
        ("type=registry,dest=a", "has no 'dest'"),
        ("type=image,name=a,push=maybe", "neither true nor false"),
        ("type=tar,annotation.a=b", "no manifest to annotate"),
        ("type=oci,annotation-layer.a=b", "nothing called 'layer'"),
        ("type=oci,oci-mediatypes=false,annotation.a=b", "no annotations"),
    ],
)
def test_what_no_output_can_say(text: str, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        parse_output(text)


def test_annotations_of_some_places_and_platforms() -> None:
    notes = parse_annotation("index,manifest[linux/amd64]:a.b/c=d:e=f")
    notes += parse_annotation("title=app") + parse_annotation("manifest:title=App")
    assert at(notes, "index") == {"a.b/c": "d:e=f"}
    assert at(notes, "manifest", "linux/amd64") == {"a.b/c": "d:e=f", "title": "App"}
    assert at(notes, "manifest", "linux/arm64") == {"title": "App"}
    with pytest.raises(InvalidOption, match=r"no index .* 'a\.b/c'"):
        require_index(notes)


@pytest.mark.parametrize("text", ["a", "=b", "nothing:a=b", "manifest[linux:a=b"])
def test_what_is_no_annotation(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_annotation(text)


def test_places_are_looked_at_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_places([Output("oci", str(tmp_path / "new")), Output("tar", "-")])
    check_places([Output("local", str(tmp_path / "a/new/one"))])
    check_places([Output("oci", str(tmp_path / "a/new/one"), is_folder=True)])
    for output, message in (
        (Output("local", str(tmp_path / "file")), "no folder"),
        (Output("oci", str(tmp_path)), "say tar=false"),
        (Output("tar", str(tmp_path)), "is a folder"),
        (Output("oci", str(tmp_path / "no/where")), "`mkdir -p "),
        (
            Output("local", str(tmp_path / "file/in/it")),
            f"{tmp_path}/file' is no folder",
        ),
    ):
        with pytest.raises(InvalidOption) as caught:
            check_places([output])
        assert message in f"{caught.value.message} {caught.value.hint}"
    kept = Output("oci", "-", rewrites_times=False)
    check_places([kept])
    with pytest.raises(InvalidOption, match="With an epoch"):
        check_places([kept], 0)
    with pytest.raises(InvalidOption, match="Only one"):
        check_places([Output("tar", "-"), Output("oci", "-")])
