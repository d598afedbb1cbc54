"""How the containers, networks and volumes of a project are known: by docker compose's
labels, so that what reads those finds them here, too."""

from __future__ import annotations

import lamina

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.services.project import Network, Project, Volume
    from lamina.services.wanted import Wanted

_PREFIX = "com.docker.compose."
PROJECT = f"{_PREFIX}project"
SERVICE = f"{_PREFIX}service"
NUMBER = f"{_PREFIX}container-number"
ONCE = f"{_PREFIX}oneoff"
HASH = f"{_PREFIX}config-hash"
FOLDER = f"{_PREFIX}project.working_dir"
FILES = f"{_PREFIX}project.config_files"
DEPENDS_ON = f"{_PREFIX}depends_on"
IMAGE = f"{_PREFIX}image"
NETWORK = f"{_PREFIX}network"
VOLUME = f"{_PREFIX}volume"
VERSION = f"{_PREFIX}version"


def of_container(wanted: Wanted) -> dict[str, str]:
    """What says whose container it is, and what it was made of."""
    project, service = wanted.project, wanted.service
    return {
        PROJECT: project.name,
        SERVICE: service.name,
        NUMBER: str(wanted.number),
        ONCE: str(wanted.once),
        HASH: service.hash,
        FOLDER: project.folder,
        FILES: ",".join(project.files),
        DEPENDS_ON: ",".join(
            f"{one.service}:{one.condition}:{str(one.restart).lower()}"
            for one in service.depends_on
        ),
        # A Digest is none of the plain types that keepers are told with.
        IMAGE: str(wanted.image_id),
        VERSION: lamina.__version__,
    }


def of_network(project: Project, network: Network) -> dict[str, str]:
    """The labels of its keys, and whose it is."""
    return {**_own(network), PROJECT: project.name, NETWORK: network.key}


def of_volume(project: Project, volume: Volume) -> dict[str, str]:
    """The labels of its keys, and whose it is."""
    return {**_own(volume), PROJECT: project.name, VOLUME: volume.key}


def _own(found: Network | Volume) -> dict[str, str]:
    return {str(k): str(t) for k, t in (found.keys.get("labels") or {}).items()}
