"""Sessions with registries: what the environment and the files of a user say."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.cli.settings import Settings
    from lamina.oci.reference import Reference
    from lamina.oci.registry.connection.request import Proxies
    from lamina.oci.registry.credentials.finding import Credentials
    from lamina.oci.registry.session import Session

SYSTEM = "/etc/lamina"
_FILE = "registries.toml"


def open_session(settings: Settings) -> Session:
    """A session with this user's registries.toml, credentials and proxies."""
    from lamina.oci.registry.connection.hosts import read_registries
    from lamina.oci.registry.session import Session

    files = (f"{SYSTEM}/{_FILE}", f"{config_folder(settings)}/{_FILE}")
    return Session(
        read_registries(files), credentials(settings).find, _proxies(settings)
    )


def prepare(session: Session, reference: Reference) -> None:
    """As an ordinary user, look for credentials before the store is opened.

    From then on we are root of a namespace, whom a keyring does not know.
    """
    if os.geteuid() != 0:
        session.prepare(reference)


def credentials(settings: Settings) -> Credentials:
    """Lamina's file of credentials, then Docker's, then those of Podman and Skopeo."""
    from lamina.oci.registry.credentials.finding import Credentials

    environment = settings.environment
    home = environment.get("HOME") or "/"
    docker = environment.get("DOCKER_CONFIG") or f"{home}/.docker"
    others = [f"{docker}/config.json"]
    if environment.get("REGISTRY_AUTH_FILE"):
        others.insert(0, environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        others.append(f"{environment['XDG_RUNTIME_DIR']}/containers/auth.json")
    others.append(f"{_config(environment)}/containers/auth.json")
    own = f"{config_folder(settings)}/credentials.json"
    return Credentials(own, tuple(others), environment)


def config_folder(settings: Settings) -> str:
    """$XDG_CONFIG_HOME/lamina, else ~/.config/lamina."""
    return f"{_config(settings.environment)}/lamina"


def _config(environment: Mapping[str, str]) -> str:
    home = environment.get("HOME") or "/"
    return environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")


def _proxies(settings: Settings) -> Proxies:
    from lamina.oci.registry.connection.request import Proxies

    def said(name: str) -> str:
        return settings.environment.get(name) or settings.environment.get(
            name.lower(), ""
        )

    return Proxies(said("HTTP_PROXY"), said("HTTPS_PROXY"), said("NO_PROXY"))
