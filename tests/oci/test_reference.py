"""Names of images, as github.com/distribution/reference understands them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidDigest, InvalidReference
from lamina.oci.reference import Reference, parse_reference, pinned

SOME = Digest("sha256:" + "a1" * 32)


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", None),
        ("docker.io/library/busybox", "docker.io/library/busybox:latest", None),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("quay.io/a/b/c", "quay.io/a/b/c:latest", "quay.io/a/b/c:latest"),
        ("Upper/app", "Upper/app:latest", "Upper/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("[2001:db8::1]/app", "[2001:db8::1]/app:latest", None),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        (f"busybox@{SOME}", f"docker.io/library/busybox@{SOME}", f"busybox@{SOME}"),
        (f"busybox:1@{SOME}", f"docker.io/library/busybox:1@{SOME}", None),
        ("a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest", None),
        ("a:_x", "docker.io/library/a:_x", None),
    ],
)
def test_names_are_completed_as_docker_completes_them(
    text: str, canonical: str, familiar: str | None
) -> None:
    reference = parse_reference(text)
    assert str(reference) == canonical
    if familiar:
        assert reference.familiar() == familiar
    assert parse_reference(canonical) == reference
    assert parse_reference(reference.familiar()) == reference


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "@", "/", "a/", "/a", "a//b", "a:", "a@", ":tag", "a b", "a\n"),
        *("Busybox", "user/App", "a/-b", "a/b-", "a/b..c", "a/b._c", "a/b___c"),
        *("a:-x", "a:.x", "a:" + "t" * 129, "a:b:c", "a:é", "é", "a" * 256),
        *("a.b_c:5000/x", "host:port/x", "host:/x", "-a.b/c", "[::1/x", "[]/x"),
        *("f" * 64, "../../etc/passwd", "a/../b", "docker.io/", "http://x/y"),
    ],
)
def test_what_docker_refuses_is_refused(text: str) -> None:
    with pytest.raises((InvalidReference, InvalidDigest)):
        parse_reference(text)


@pytest.mark.parametrize("digest", ["sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32])
def test_digests_are_sha256(digest: str) -> None:
    with pytest.raises(InvalidDigest):
        parse_reference(f"busybox@{digest}")


def test_upper_case_gets_a_way_out() -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_reference("MyApp:1")
    assert caught.value.hint == "Write 'myapp'."


def test_a_pinned_reference_has_a_digest_and_no_tag() -> None:
    assert (
        str(pinned(parse_reference("app:1"), SOME)) == f"docker.io/library/app@{SOME}"
    )


def test_the_repository_column() -> None:
    names = [parse_reference(t).familiar_name for t in ("busybox", "u/x", "q.io/x")]
    assert names == ["busybox", "u/x", "q.io/x"]


@given(st.text(alphabet="aB0.:/@-_[]é sh256", max_size=40))
def test_parsing_ends_in_a_reference_that_parses_to_itself(text: str) -> None:
    try:
        found = parse_reference(text)
    except (InvalidReference, InvalidDigest):
        return
    assert isinstance(found, Reference)
    assert parse_reference(str(found)) == found
    assert parse_reference(found.familiar()) == found
