"""cache_key: the name of a step's result, from everything that the result depends on.

A key is the sha256 of canonical JSON: the operation with every word expanded, the
*result* of its parent (the chain of layer contents, times left out), and the digests
of the exact files that it reads. So a parent that ran again and made the same bytes
changes no key after it. Times, owners of context files, secrets, proxies and what
lies in cache mounts are in no key; nor is the parent of a COPY --link, which makes the
same layer on any. The JSON is kept beside the result.
"""

from __future__ import annotations

import json

from lamina.builder.solving.graph import (
    BaseOp,
    CopyOp,
    RunMount,
    RunOp,
    Step,
    WorkdirOp,
)
from lamina.oci.digest import Digest
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from lamina.builder.solving.graph import Operation

# A change of what a step does to the same inputs needs another version here.
VERSION = 1


@value
class CacheKey:
    """`digest` is the key; `fields` the JSON that it is the digest of."""

    digest: Digest
    fields: str


def cache_key(
    step: Step, parent: str, reads: Mapping[str, str], platform: str
) -> CacheKey:
    """The key of `step` on a parent's result, with the digests of what it reads."""
    fields = {
        "version": VERSION,
        "platform": platform,
        "parent": "" if _is_detached(step.operation) else parent,
        "reads": dict(reads),
        **_operation(step),
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return CacheKey(Digest.of(text.encode()), text)


def _is_detached(operation: Operation) -> bool:
    """Whether the step makes the same layer on any parent."""
    return isinstance(operation, CopyOp) and operation.is_detached


def _operation(step: Step) -> dict[str, Any]:
    operation = step.operation
    if isinstance(operation, RunOp):
        return _run(operation)
    if isinstance(operation, CopyOp):
        return _copy(operation)
    if isinstance(operation, WorkdirOp):
        fields = {"kind": "workdir", "path": operation.path, "user": operation.user}
        return fields | ({"quirks": operation.quirks} if operation.quirks else {})
    assert not isinstance(operation, BaseOp), "a base has no key of its own"
    raise AssertionError(operation)


def _run(operation: RunOp) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "test" if operation.test else "run",
        "args": operation.args,
        "env": dict(pair.split("=", 1) for pair in operation.env),
        "cwd": operation.cwd,
        "user": operation.user,
        "network": operation.network,
        "security": operation.security,
    }
    if operation.scripts:
        fields["scripts"] = {file.name: file.body for file in operation.scripts}
    if operation.hosts:
        fields["hosts"] = operation.hosts
    if operation.mounts:
        fields["mounts"] = [_mount(mount) for mount in operation.mounts]
    return fields


def _mount(mount: RunMount) -> dict[str, Any]:
    """What of a mount decides the result; never a secret, nor a cache's content."""
    fields: dict[str, Any] = {"kind": mount.kind, "target": mount.target}
    if mount.kind == "bind":
        fields["writable"] = mount.writable
    if mount.kind == "tmpfs":
        fields["size"] = mount.size
    if mount.kind in ("secret", "ssh"):
        fields.update(id=mount.id, mode=mount.mode, env=mount.env)
    return fields


def _copy(operation: CopyOp) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "add" if operation.add else "copy",
        "dest": operation.dest,
    }
    if operation.inline:
        fields["inline"] = {file.name: file.body for file in operation.inline}
    for name in ("chown", "chmod", "link", "parents", "checksum", "keep_git_dir"):
        given = getattr(operation, name)
        if given:
            fields[name] = given
    if operation.exclude:
        fields["exclude"] = operation.exclude
    if operation.quirks:
        fields["quirks"] = operation.quirks
    if operation.unpack is not None:
        fields["unpack"] = operation.unpack
    return fields
