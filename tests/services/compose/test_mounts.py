"""The short form of mounts."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.services.compose.mounts import InvalidMount, parse_mount


def mount(spec: str) -> dict[str, Any]:
    return parse_mount(spec, lambda path: f"<{path}>")


@pytest.mark.parametrize("path", ["./foo", "~/thing", "../other", "/foo", "."])
def test_a_path_is_bound(path: str) -> None:
    assert mount(f"{path}:/target") == {
        "type": "bind",
        "source": f"<{path}>",
        "target": "/target",
        "bind": {"create_host_path": True},
    }


def test_a_name_is_a_volume_and_a_target_alone_one_without_name() -> None:
    assert mount("data:/x/") == {
        "type": "volume",
        "source": "data",
        "target": "/x",
        "volume": {},
    }
    assert mount("/x") == {"type": "volume", "target": "/x", "volume": {}}


def test_options() -> None:
    assert mount("/a:/b:ro,z,rslave")["bind"] == {
        "selinux": "z",
        "propagation": "rslave",
        "create_host_path": True,
    }
    assert mount("/a:/b:ro")["read_only"] is True
    assert "read_only" not in mount("/a:/b:rw")
    assert mount("a:/b:nocopy")["volume"] == {"nocopy": True}
    assert mount("/a:/b:cached")["consistency"] == "cached"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("/a:/b:ro:x", "too many `:`"),
        (":/b", "nothing before or behind"),
        ("", "nothing before or behind"),
        ("/a::ro", "nothing before or behind"),
        ("/a:b", "no absolute path in the container"),
        ("data", "no absolute path in the container"),
        ("a/b:/c", "cannot be the name of a volume"),
        ("a:/b:bogus", "no option 'bogus'"),
        ("a:/b:rslave", "no option 'rslave'"),
    ],
)
def test_what_is_no_mount(spec: str, said: str) -> None:
    with pytest.raises(InvalidMount, match=said):
        mount(spec)
