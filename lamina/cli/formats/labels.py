"""Labels and options as flags give them, and filters by labels."""

from __future__ import annotations

from lamina.cli.formats.amounts import RunUsage
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def pairs(texts: Iterable[str], flag: str) -> dict[str, str]:
    """`KEY[=VALUE]` of `flag`; raises RunUsage for one without a key."""
    found = {}
    for text in texts:
        key, _, given = text.partition("=")
        if not key.strip():
            raise RunUsage(
                f"Invalid {flag} {text!r}.", hint="It is KEY=VALUE, or KEY alone."
            )
        found[key] = given
    return found


def parse_filters(texts: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """`--filter KEY=VALUE`; raises LaminaError for a key that there is not."""
    filters = []
    hint = ", ".join(f"{name}=..." for name in known)
    for key, wanted in filter_pairs(texts, hint):
        if key not in known:
            raise LaminaError(f"Invalid filter {f'{key}={wanted}'!r}.", hint=hint)
        filters.append((key, wanted))
    return filters


def filter_pairs(texts: Iterable[str], hint: str) -> Iterator[tuple[str, str]]:
    """`KEY=VALUE` of each, with any key; an empty one is none (docker/cli, opts.go).

    Raises RunUsage, as one without a value is a flag that cannot be read, to docker
    too.
    """
    for text in filter(None, texts):
        key, equals, wanted = text.partition("=")
        if not equals:
            raise RunUsage(f"Invalid filter {text!r}: it is KEY=VALUE.", hint=hint)
        yield key.strip().lower(), wanted.strip()


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """Whether one of them is `KEY`, or `KEY=VALUE`."""
    key, equals, given = wanted.partition("=")
    return key in labels and (not equals or labels[key] == given)


def truth(text: str, key: str) -> bool:
    """The value of a filter that is true or false; raises LaminaError."""
    known = {"1": True, "true": True, "0": False, "false": False}
    if text.lower() not in known:
        raise LaminaError(f"Invalid filter {key}={text!r}.", hint="true or false.")
    return known[text.lower()]
