"""Files of Docker's form, config.json: read, and changed so that none is ever half
written, forgotten by two who write at once, or to be read by others."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from lamina.oci.files.lock import Lock
from lamina.oci.registry.credentials.credential import same_server
from lamina.oci.registry.errors import CredentialError
from lamina.values import EMPTY


def read(path: str) -> Mapping[str, Any]:
    """What the file says, nothing where it is not there. Raises CredentialError."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return EMPTY
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise CredentialError(f"{path} cannot be read: {reason}.") from error
    return document if isinstance(document, dict) else EMPTY


def change(path: str, registry: str, entries: Mapping[str, tuple[str, Any]]) -> None:
    """Set what `registry` has in some tables of a file: by table a key and its value,
    None to take out what is there. Raises CredentialError."""
    # Who keeps their files elsewhere and links to them keeps the link.
    path = os.path.realpath(path)
    if _changed(read(path), registry, entries) is None:
        return
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # Two logins at once change the file one after the other.
        with Lock.of_folder(os.path.dirname(path)):
            changed = _changed(read(path), registry, entries)
            if changed is not None:
                _write(path, changed)
    except OSError as error:
        raise CredentialError(f"{path} cannot be written: {error.strerror}.") from error


def _changed(
    document: Mapping[str, Any], registry: str, entries: Mapping[str, tuple[str, Any]]
) -> Mapping[str, Any] | None:
    """The document with the entries; None where it has them."""
    made = dict(document)
    for table, (key, given) in entries.items():
        _set(made, table, registry, key, given)
    return None if made == document else made


def _set(
    document: dict[str, Any], table: str, registry: str, key: str, given: Any
) -> None:
    entries = document.pop(table, None)
    entries = entries if isinstance(entries, dict) else {}
    kept = {k: v for k, v in entries.items() if not same_server(k, registry)}
    if given is not None:
        kept[key] = given
    if kept:
        document[table] = kept


def _write(path: str, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    temporary = f"{path}.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        # A secret is not left about.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
