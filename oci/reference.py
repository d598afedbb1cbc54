"""Reference: what people call an image, `registry/repository:tag@digest`.

The grammar and the shortcuts (`busybox` for `docker.io/library/busybox:latest`)
are those of github.com/distribution/reference, which every Docker tool uses.
"""

from __future__ import annotations

from lamina.oci.digest import Digest
from lamina.oci.errors import InvalidReference
from lamina.values import replace, value

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_NAME_MAX = 255
_TAG_MAX = 128

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdef")
_TAG_FIRST = _ALNUM | {"_"}
_TAG_REST = _TAG_FIRST | {".", "-"}


@value
class Reference:
    """A normalised name; it has a tag, a digest, or both (the digest then decides)."""

    registry: str
    repository: str
    tag: str | None = DEFAULT_TAG
    digest: Digest | None = None

    def __str__(self) -> str:
        return self._suffixed(self.name)

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name without what Docker leaves out: `docker.io/` and `library/`."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        rest = self.repository.removeprefix("library/")
        # `library/a/b` cannot be written shorter: `a/b` is another repository.
        return rest if "/" not in rest else self.repository

    def familiar(self) -> str:
        """As Docker shows it: `busybox:latest`."""
        return self._suffixed(self.familiar_name)

    def _suffixed(self, name: str) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return name + tag + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """`text` as a reference, completed as Docker completes it.

    Without tag and digest the tag is `latest`. Raises InvalidReference for what
    Docker refuses, InvalidDigest for digests other than sha256.
    """
    if not text:
        raise _invalid(text, "a name is missing", "Write it as in `busybox:1.36`.")
    name, at, digest_text = text.partition("@")
    digest = Digest.parse(digest_text) if at else None
    name, tag = _split_tag(name)
    if tag is not None:
        _check_tag(text, tag)
    if not at and tag is None and len(name) == 64 and not set(name) - _HEX:
        raise _invalid(text, "64 hexadecimal digits are an image ID, not a name")
    registry, repository = _split_registry(name)
    _check_registry(text, registry)
    _check_repository(text, repository)
    if tag is None and digest is None:
        tag = DEFAULT_TAG
    return Reference(registry, repository, tag, digest)


def pinned(reference: Reference, digest: Digest) -> Reference:
    """The same repository at one digest, as RepoDigests and lock files name it."""
    return replace(reference, tag=None, digest=digest)


def _split_tag(name: str) -> tuple[str, str | None]:
    # A colon before the last slash belongs to a port or an IPv6 address.
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or (not head and name.startswith("[")):
        return name, None
    return head, tag


def _split_registry(name: str) -> tuple[str, str]:
    """The first component is a registry when it cannot be a user: `.`, `:`, ..."""
    first, slash, rest = name.partition("/")
    is_registry = slash and (
        "." in first or ":" in first or first == "localhost" or first.lower() != first
    )
    if not is_registry:
        first, rest = DEFAULT_REGISTRY, name
    elif first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def is_tag(text: str) -> bool:
    """Whether a tag can be called so."""
    return _has_letters_of_a_tag(text) and len(text) <= _TAG_MAX


def _has_letters_of_a_tag(text: str) -> bool:
    return text[:1] in _TAG_FIRST and not set(text) - _TAG_REST


def _check_tag(text: str, tag: str) -> None:
    if not _has_letters_of_a_tag(tag):
        raise _invalid(
            text,
            f"{tag[:40]!r} is not a tag",
            "A tag has letters, digits, `_`, `.` and `-`, and starts with one of the "
            "first three.",
        )
    if len(tag) > _TAG_MAX:
        raise _invalid(text, f"its tag is longer than {_TAG_MAX} characters")


def _check_registry(text: str, registry: str) -> None:
    host, colon, port = registry.rpartition(":")
    if not colon or registry.endswith("]"):
        host, port = registry, "0"
    if host.startswith("[") and host.endswith("]"):
        well_formed = bool(host[1:-1]) and not set(host[1:-1]) - _HEX - set("ABCDEF:")
    else:
        well_formed = all(_is_label(label) for label in host.split("."))
    if not well_formed or not port or set(port) - _DIGITS:
        raise _invalid(text, f"{registry[:60]!r} is not the name of a registry")


def _is_label(label: str) -> bool:
    return (
        bool(label)
        and label[0] in _ALNUM
        and label[-1] in _ALNUM
        and not set(label) - _ALNUM - {"-"}
    )


def _check_repository(text: str, repository: str) -> None:
    if len(repository) > _NAME_MAX:
        raise _invalid(text, f"its name is longer than {_NAME_MAX} characters")
    if repository != repository.lower():
        raise _invalid(
            text,
            "the name of a repository is in lower case",
            f"Write {repository.removeprefix('library/').lower()[:80]!r}.",
        )
    for component in repository.split("/"):
        if not _is_component(component):
            raise _invalid(
                text,
                f"{component[:60]!r} is not a part of a repository's name",
                "A part has lower-case letters and digits, between them single `.` "
                "or `_`, `__`, or any number of `-`.",
            )


def _is_component(component: str) -> bool:
    """`[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*`"""
    if not component or component[0] not in _LOWER or component[-1] not in _LOWER:
        return False
    separator = ""
    for character in component:
        if character in _LOWER:
            separator = ""
            continue
        separator += character
        if separator not in (".", "_", "__") and separator.strip("-"):
            return False
    return True


def _invalid(text: str, reason: str, hint: str = "") -> InvalidReference:
    return InvalidReference(f"{text[:120]!r} names no image: {reason}.", hint=hint)
