"""Why a base is nowhere: where it was looked for, and what would provide it."""

from __future__ import annotations

from lamina.builder.errors import UnknownBase
from lamina.errors import LaminaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.builder.planning.base import BaseRequest

# The suites behind the tags of Docker's images that are no suite's name.
_SUITES = {
    "debian": {
        "latest": "stable",
        "11": "bullseye",
        "12": "bookworm",
        "13": "trixie",
    },
    "ubuntu": {
        "latest": "noble",
        "rolling": "noble",
        "20.04": "focal",
        "22.04": "jammy",
        "24.04": "noble",
    },
}


def unknown_base(request: BaseRequest, error: LaminaError | None = None) -> UnknownBase:
    """The error for a name that is nowhere; `error` is what its registry said."""
    name = request.name
    message = f"The base {name!r} is neither a stage above nor an image in the store"
    provided = (
        f"Load it (`lamina load -i FILE`, from `docker save {name}`), or build it "
        f"under this name (`lamina build -t {name}`)."
    )
    hints = [provided]
    if error is not None:
        message += f", and its registry does not give it: {error.message}"
        hints.insert(0, error.hint)
    suite = suite_of(name)
    if suite:
        hints.append(f"Or make it from packages: FROM bootstrap:{suite}")
    hint = " ".join(filter(None, hints))
    return UnknownBase(f"{message.rstrip('.')}.", request.span, hint=hint)


def suite_of(name: str) -> str:
    """What to bootstrap in the place of one of Docker's own images of Debian and
    Ubuntu: `debian:12-slim` is debian/bookworm. "" where there is no such suite."""
    from lamina.oci.reference import parse_reference

    try:
        reference = parse_reference(name)
    except LaminaError:
        return ""
    library, _, distribution = reference.repository.rpartition("/")
    if reference.registry != "docker.io" or library != "library":
        return ""
    suites = _SUITES.get(distribution)
    if suites is None:
        return ""
    tag = (reference.tag or "latest").partition("-")[0]
    release = ".".join(tag.split(".")[: 2 if distribution == "ubuntu" else 1])
    suite = suites.get(release, tag)
    return f"{distribution}/{suite}" if suite.isalpha() else ""
