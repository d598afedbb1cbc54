"""`RUN --mount=`: fields, their types and defaults (dockerfile.md of BuildKit)."""

from __future__ import annotations

import pytest

from lamina.lang.mounts import MountOptions, mount_options
from lamina.lang.nodes import Run
from lamina.lang.parser import parse
from lamina.lang.source import RecipeError, Source


def options(fields: str, **env: str) -> MountOptions:
    recipe = parse(Source("Recipe", f"FROM a\nRUN --mount={fields} true"))
    (run,) = recipe.stages[0].instructions
    assert isinstance(run, Run)
    return mount_options(run.mounts[0], env)


def test_a_bind_is_the_default_and_readonly() -> None:
    mount = options("target=/src")
    assert (mount.type, mount.target, mount.readonly) == ("bind", "/src", True)
    assert (mount.source, mount.from_, mount.mode) == ("", "", None)


@pytest.mark.parametrize(
    ("fields", "readonly"),
    [
        ("target=/x", True),
        ("target=/x,rw", False),
        ("target=/x,readwrite=true", False),
        ("target=/x,rw=false", True),
        ("target=/x,ro=0", False),
        ("type=cache,target=/x", False),
        ("type=cache,target=/x,readonly", True),
        ("type=tmpfs,target=/x", False),
        ("type=secret,id=x", True),
    ],
)
def test_who_may_write(fields: str, readonly: bool) -> None:
    assert options(fields).readonly is readonly


def test_a_cache_with_everything() -> None:
    mount = options(
        "type=cache,id=pip,dst=/c,from=b,src=/seed,sharing=Locked,mode=0750,uid=1,gid=2"
    )
    assert (mount.id, mount.target, mount.source) == ("pip", "/c", "/seed")
    assert (mount.from_, mount.sharing) == ("b", "locked")
    assert (mount.mode, mount.uid, mount.gid) == (0o750, 1, 2)


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [
        ("100", 100),
        ("64m", 64 << 20),
        ("64MB", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("2 k", 2048),
        ("7b", 7),
    ],
)
def test_sizes(size: str, bytes_: int) -> None:
    assert options(f"'type=tmpfs,target=/x,size={size}'").size == bytes_


def test_fields_expand_before_they_are_read() -> None:
    mount = options("type=$T,target=${D:-/x},uid=$U", T="cache", U="7")
    assert (mount.type, mount.target, mount.uid) == ("cache", "/x", 7)
    with pytest.raises(RecipeError, match="not 'seven'") as caught:
        options("type=$T,target=/x,uid=$U", T="cache", U="seven")
    assert caught.value.span.text == "$U"


def test_the_order_of_fields_does_not_matter() -> None:
    assert options("required=true,id=x,type=secret").required
    assert options("size=1,target=/x,type=tmpfs").size == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("type=cache", "needs a target"),
        ("type=bind,target=/x,size=1", "has no size"),
        ("type=cache,target=/x,required", "has no required"),
        ("type=cache,target=/x,sharing=all", "cannot be 'all'"),
        ("type=secret", "needs an id"),
        ("type=secret,id=a,src=b", "not both"),
        ("type=cache,target=/x,ro,rw", "not both"),
        ("type=cache,target=/x,target=/y", "twice"),
        ("type=cache,target=/x,id", "needs a value"),
        ("type=cache,target=/x,mode=9", "octal"),
        ("type=cache,target=/x,uid=-1", "a number"),
        ("type=tmpfs,target=/x,size=big", "a size"),
        ("type=cache,target=/x,ro=maybe", "true or false"),
        ("type=other,target=/x", "cannot be 'other'"),
        ("type=cache,target=/x,colour=red", "no field colour"),
        ("type=cache,,target=/x", "key=value fields"),
        ("target=/x,from=$A", "does not expand"),
    ],
)
def test_what_is_refused(fields: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        options(fields)
