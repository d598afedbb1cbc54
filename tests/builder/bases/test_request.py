"""builder.bases.request: what a recipe may wish for."""

from __future__ import annotations

import pytest

from lamina.builder.bases.bootstrap import memo_key
from lamina.builder.bases.request import Bootstrap, parse_bootstrap
from lamina.builder.errors import BootstrapFailed


def test_a_base_is_a_distribution_and_a_suite() -> None:
    wanted = parse_bootstrap("debian/bookworm", {"include": "b,a,,a"})
    assert wanted == Bootstrap("debian", "bookworm", include=("a", "b"))
    assert memo_key(wanted) == memo_key(
        parse_bootstrap("debian/bookworm", {"include": "a,b"})
    )
    assert memo_key(wanted) != memo_key(parse_bootstrap("debian/bookworm", {}))


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("bookworm", {}, "names no suite"),
        ("alpine/edge", {}, "names no suite"),
        ("debian/../x", {}, "names no suite"),
        ("debian/bookworm", {"include": "a;b"}, "not the name of a package"),
        ("debian/bookworm", {"include": "--x y"}, "not the name of a package"),
        ("debian/bookworm", {"include": "ä"}, "not the name of a package"),
        ("debian/ä", {}, "names no suite"),
        ("debian/-x", {}, "names no suite"),
        ("debian/bookworm", {"variant": "huge"}, "no variant"),
        ("debian/bookworm", {"snapshot": "yesterday"}, "name of a snapshot"),
        ("debian/bookworm", {"snapshot": "20260131T00000"}, "name of a snapshot"),
        ("debian/bookworm", {"snapshot": "20260131T000000ZZ"}, "name of a snapshot"),
        ("debian/bookworm", {"mirror": "deb.debian.org"}, "no address of a mirror"),
        # Each is one word of sources.list, and gives apt no option.
        ("debian/bookworm", {"mirror": "http://x y"}, "no address of a mirror"),
        ("debian/bookworm", {"mirror": "http://x [trusted=yes]"}, "no address"),
        ("debian/bookworm", {"mirror": "[trusted=yes] http://x"}, "no address"),
        ("debian/bookworm", {"mirror": "http://x\ndeb http://y"}, "no address"),
    ],
)
def test_wrong_wishes_are_errors(
    text: str, flags: dict[str, str], message: str
) -> None:
    with pytest.raises(BootstrapFailed, match=message):
        parse_bootstrap(text, flags)
