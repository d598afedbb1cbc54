"""oci.registry.connection.headers: fields as registries and others write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.registry.connection.headers import next_page, number
from lamina.oci.registry.errors import Refused
from lamina.oci.registry.repository import Repository
from lamina.oci.registry.session import Session
from tests.oci.registry.server import Answer, Asked, Server

HERE = "https://registry.example:5000/v2/app/tags/list?n=2"
MORE = "https://registry.example:5000/v2/app/tags/list?n=2&last=b"


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("", ""),
        ('</v2/app/tags/list?n=2&last=b>; rel="next"', MORE),
        ("</v2/app/tags/list?n=2&last=b>;rel=next", MORE),
        ('<list?n=2&last=b>; title="a, b"; rel="next"', MORE),
        # Several, of which one is the next.
        ('</v2/first>; rel="first", </v2/app/tags/list?n=2&last=b>; rel="next"', MORE),
        ('</v2/app/tags/list?n=1>; rel="prev"', ""),
        ('</v2/rel="next">; rel="prev"', ""),
        # What a registry behind a proxy takes itself for.
        ('<http://10.0.0.7/v2/app/tags/list?n=2&last=b>; rel="next"', MORE),
        # No addresses.
        ('<https://registry.example:99999/v2/>; rel="next"', ""),
        ('<mailto:x>; rel="next"', ""),
        ('<file:///etc/passwd>; rel="next"', ""),
        ('<https://[::1/v2/>; rel="next"', ""),
    ],
)
def test_where_a_list_goes_on(link: str, page: str) -> None:
    assert next_page(HERE, link) == page


@given(st.text(alphabet='<>;,"= relnxt:/[]@#?', max_size=200))
def test_any_link_ends_or_stays_on_its_host(link: str) -> None:
    page = next_page(HERE, link)
    assert page == "" or page.startswith("https://registry.example:5000/")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", 0),
        ("4096", 4096),
        ("", None),
        ("-1", None),
        ("1_0", None),
        ("٣", None),
        ("9" * 5000, None),
    ],
)
def test_numbers(text: str, found: int | None) -> None:
    assert number(text) == found


@pytest.mark.parametrize(
    "tag",
    [
        "\x1b[2J",
        "../../other/manifests/1?x=",
        "a\nb",
        "",
        "x" * 129,
        ".a",
        "@sha256:" + 64 * "a",
    ],
)
def test_what_is_no_tag_is_none(session: Session, tag: str) -> None:
    """In the store it would be a name that `lamina images` cannot read any more."""
    body = json.dumps({"name": "app", "tags": ["1", tag]}).encode()
    with (
        Server(lambda asked: Answer(200, body)) as server,
        pytest.raises(Refused, match="which is no tag"),
    ):
        list(Repository(session.endpoint(server.address), "app", "pull").tags())


def test_ten_thousand_tags_in_pages(session: Session) -> None:
    every = [f"t{n:05}" for n in range(10_000)]

    def pages(asked: Asked) -> Answer:
        last = asked.path.partition("last=")[2]
        start = every.index(last) + 1 if last else 0
        tags = every[start : start + 1000]
        body = json.dumps({"name": "app", "tags": tags}).encode()
        if start + 1000 >= len(every):
            return Answer(200, body)
        more = f'<http://inside/v2/app/tags/list?n=1000&last={tags[-1]}>; rel="next"'
        return Answer(200, body, {"Link": more})

    with Server(pages) as server:
        found = Repository(session.endpoint(server.address), "app", "pull")
        assert list(found.tags()) == every
        assert len(server.paths()) == 10
