"""builder.cache_places: what `--cache-from` and `--cache-to` say."""

from __future__ import annotations

import os

import pytest

from lamina.builder.errors import InvalidOption
from lamina.builder.inputs.cache_places import (
    CachePlace,
    CacheSource,
    CacheTarget,
    parse_cache_from,
    parse_cache_to,
)
from lamina.errors import LaminaError

CACHE = CachePlace("registry", "docker.io/library/cache:latest")
FOLDER = CachePlace("local", "/srv/cache", "latest")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cache", (CacheSource(CACHE),)),
        ("cache,cache:latest", (CacheSource(CACHE), CacheSource(CACHE))),
        ("type=registry,ref=cache", (CacheSource(CACHE),)),
        ("type=registry,ref=cache,mounts=false", (CacheSource(CACHE, False),)),
        ("type=local,src=/srv/cache", (CacheSource(FOLDER),)),
        (
            "type=local,src=/srv/cache,tag=main",
            (CacheSource(CachePlace("local", "/srv/cache", "main")),),
        ),
        (
            f"type=local,src=/srv/cache,digest=sha256:{'0' * 64}",
            (CacheSource(CachePlace("local", "/srv/cache", f"sha256:{'0' * 64}")),),
        ),
    ],
)
def test_sources(text: str, wanted: tuple[CacheSource, ...]) -> None:
    assert parse_cache_from(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cache", CacheTarget(CACHE)),
        ("type=registry,ref=cache,mode=max", CacheTarget(CACHE, "max")),
        (
            "type=registry,ref=cache,image-manifest=true,oci-mediatypes=true",
            CacheTarget(CACHE),
        ),
        ("type=local,dest=/srv/cache,mounts=true", CacheTarget(FOLDER, mounts=True)),
        (
            "type=local,dest=/srv/cache,compression=zstd,compression-level=9",
            CacheTarget(FOLDER, compression="zstd", level=9),
        ),
        (
            "type=local,dest=/srv/cache,force-compression=true,ignore-error=true",
            CacheTarget(FOLDER, recompress=True, optional=True),
        ),
    ],
)
def test_targets(text: str, wanted: CacheTarget) -> None:
    assert parse_cache_to(text) == (wanted,)


def test_a_folder_is_where_we_are_now() -> None:
    (source,) = parse_cache_from("type=local,src=x")
    assert source.place.place == f"{os.getcwd()}/x"
    assert str(source.place) == f"{os.getcwd()}/x"


def test_what_people_read() -> None:
    assert str(CACHE) == "cache:latest"
    assert str(CachePlace("local", "/srv/cache", "main")) == "/srv/cache:main"


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "type=", "type=local", "type=registry", "type=oci,src=x"),
        *("type=local,src=x,mode=max", "type=local,dest=x", "type=registry,src=x"),
        *("type=local,src=x,mounts=maybe", "src=x", '"type=local,src=x'),
        *("type=inline", "type=gha", "type=s3,bucket=b", "a b"),
    ],
)
def test_wrong_sources(text: str) -> None:
    with pytest.raises(LaminaError):
        parse_cache_from(text)


@pytest.mark.parametrize(
    "text",
    [
        *("type=inline", "type=local,src=x", "type=local,dest=x,mode=all"),
        *("type=registry,ref=x,image-manifest=false", "type=registry,ref=x,level=1"),
        *("type=local,dest=x,compression=lzma", f"cache@sha256:{'0' * 64}"),
        "type=local,dest=x,compression=zstd,compression-level=99",
    ],
)
def test_wrong_targets(text: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        parse_cache_to(text)
    assert caught.value.hint
