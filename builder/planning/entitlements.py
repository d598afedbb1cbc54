"""Entitlements: what a RUN may ask for beyond isolation, once `--allow` grants it.

The names are BuildKit's (util/entitlements). A recipe alone never gets them, whatever
it came from; `lamina build --network host` grants the first by itself, as buildx does.
"""

from __future__ import annotations

from lamina.builder.errors import InvalidInstruction, InvalidOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.builder.planning.scope import Scope
    from lamina.lang.nodes import Run

HOST_NETWORK = "network.host"
INSECURE = "security.insecure"
NAMES = (HOST_NETWORK, INSECURE)


def parse_entitlements(given: Iterable[str], network: str) -> frozenset[str]:
    """The values of `--allow`, and what `--network` grants. Raises InvalidOption."""
    found = {name for text in given for name in text.split(",") if name}
    for name in sorted(found):
        if name not in NAMES:
            raise InvalidOption(
                f"There is nothing called {name!r} to allow.",
                hint=f"--allow takes {' and '.join(NAMES)}.",
            )
    return frozenset(found | ({HOST_NETWORK} if network == "host" else set()))


def check_entitlements(run: Run, scope: Scope) -> None:
    """Refuse, at its place, what was not granted."""
    for asked, flag, name in (
        (run.network == "host", "--network=host", HOST_NETWORK),
        (run.security == "insecure", "--security=insecure", INSECURE),
    ):
        if asked and name not in scope.allow:
            raise InvalidInstruction(
                f"{flag} is not allowed in this build.",
                run.span,
                hint=f"If you trust this recipe: `lamina build --allow {name}`.",
            )
