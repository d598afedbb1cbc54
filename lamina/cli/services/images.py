"""The images that services need: those of the store, pulled, or built."""

from __future__ import annotations

from lamina.cli.services.flags import ServicesUsage
from lamina.errors import LaminaError
from lamina.services.errors import about
from lamina.services.units import seconds
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.cli.settings import Settings
    from lamina.oci.store.store import Image, Store
    from lamina.services.project import Project, Service

ALWAYS, MISSING, NEVER, BUILD = "always", "missing", "never", "build"
_SPANS = {"daily": 86400.0, "weekly": 7 * 86400.0}


@value
class Getting:
    """How images are got: `pull` is `--pull`, "" for what each service says; `build`
    builds all that have a build, `build` false none."""

    pull: str = ""
    build: bool | None = None
    quiet: bool = False


def images_of(
    store: Store,
    settings: Settings,
    project: Project,
    services: Iterable[Service],
    how: Getting,
) -> dict[str, Image]:
    """The image of each service, got where that is asked for; raises LaminaError."""
    found = {}
    built: dict[str, Image] = {}
    for service in services:
        with about(service.name):
            if service.image not in built:
                built[service.image] = _image(store, settings, project, service, how)
            found[service.name] = built[service.image]
    return found


def _image(
    store: Store, settings: Settings, project: Project, service: Service, how: Getting
) -> Image:
    policy = _policy(how.pull or service.pull_policy)
    platform = service.keys.get("platform") or ""
    if service.build and _is_to_build(store, service, policy, how):
        from lamina.cli.services.building import build

        more = ("--quiet",) if how.quiet else ()
        build(project, service, settings, more)
        policy = NEVER
    when = _when(store, service, policy)
    from lamina.cli.containers.create import find_image

    asked = (store, settings, service.image, when, platform)
    return find_image(*asked, quiet=how.quiet)


def _is_to_build(store: Store, service: Service, policy: str, how: Getting) -> bool:
    """What can be built is built when that is asked for, or when it is not here, and
    not to be pulled."""
    if how.build is not None:
        return how.build
    if policy == BUILD:
        return True
    if policy == ALWAYS and service.keys.get("image"):
        return False
    return store.resolve_id(service.image, service.keys.get("platform") or "") is None


def _policy(text: str) -> str:
    return MISSING if text in ("", "if_not_present") else text


def _when(store: Store, service: Service, policy: str) -> str:
    """As `run --pull` has it."""
    if policy == BUILD or (service.build and not service.keys.get("image")):
        return NEVER
    if policy in (ALWAYS, MISSING, NEVER):
        return policy
    span = _SPANS.get(policy)
    if span is None and policy.startswith("every_"):
        try:
            span = seconds(policy.removeprefix("every_"))
        except ValueError:
            span = None
    if span is None:
        raise ServicesUsage(
            f"Invalid pull policy {policy!r}.",
            hint="always, missing, never, build, daily, weekly or every_<span>.",
        )
    return ALWAYS if _is_older(store, service.image, span) else MISSING


def _is_older(store: Store, name: str, span: float) -> bool:
    """Whether an image that is here came longer ago than that."""
    import time

    identity = store.resolve_id(name)
    if identity is None:
        return True
    rows = {row.id: row.created for row in store.images()}
    return rows[identity] + span < time.time()


def pull(
    store: Store, settings: Settings, services: Iterable[Service], quiet: bool
) -> list[LaminaError]:
    """Pull the images of services that have one to pull, and say nothing of it where
    that is to be `quiet`; the errors, one for each that was not to be had."""
    from lamina.cli.registries.pulling import pull_missing

    errors = []
    seen = set()
    for service in services:
        if not service.keys.get("image") or service.image in seen:
            continue
        seen.add(service.image)
        try:
            with about(service.name):
                pull_missing(
                    *(store, settings, service.image, ALWAYS),
                    service.keys.get("platform") or "",
                    quiet=quiet,
                )
        except LaminaError as error:
            errors.append(error)
    return errors
