"""`features`: what this runtime can do, in the form of runtime-spec's features.md."""

from __future__ import annotations

from lamina.runtime.bundles.config import NAMESPACES, VERSION
from lamina.runtime.bundles.process_json import has_apparmor, has_selinux
from lamina.runtime.isolation.mount_options import KNOWN
from lamina.runtime.isolation.privileges import CAPABILITIES
from lamina.runtime.isolation.seccomp import ACTIONS, ARCHITECTURES, FLAGS, RELATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def features() -> dict[str, Any]:
    """The document."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": [
            *("prestart", "createRuntime", "createContainer"),
            *("startContainer", "poststart", "poststop"),
        ],
        "mountOptions": list(KNOWN),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": [f"CAP_{name}" for name in CAPABILITIES],
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": True,
                "rdma": True,
            },
            "seccomp": {
                "enabled": True,
                "actions": sorted(ACTIONS),
                "operators": sorted(RELATIONS),
                "archs": sorted(ARCHITECTURES),
                "knownFlags": sorted(FLAGS),
                "supportedFlags": sorted(FLAGS),
            },
            "apparmor": {"enabled": has_apparmor()},
            "selinux": {"enabled": has_selinux()},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }
