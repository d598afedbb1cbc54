"""One command at a time changes a project; others wait for it."""

from __future__ import annotations

from lamina.oci.files.lock import Lock


def alone(root: str, project: str) -> Lock:
    """Alone, while it lasts, among those who bring a project of the store at `root` up
    or down."""
    return Lock(f"{root}/locks/project-{project}")
