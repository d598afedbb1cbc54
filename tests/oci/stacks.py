"""Images by what their layers do, as `{"etc/motd": b"text", "old": None}`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from lamina.oci.config import ImageConfig
from lamina.oci.store.store import Image, Layer, Store
from lamina.values import replace
from tests.busybox import publish

# A directory that hides what was below it.
OPAQUE = "opaque"
Changes = Mapping[str, object]


def put(store: Store, *layers: Changes, **config: object) -> Image:
    """bytes: a file; None: removed; str: a link, or OPAQUE; `/` at the end: a
    directory; (bytes, mode): a file with a mode; a Layer is taken as it is."""
    made = [_layer(store, given) for given in layers]
    plain = ImageConfig("amd64", "linux", diff_ids=tuple(m.diff_id for m in made))
    return store.put_image(replace(plain, **config), [m.content for m in made])


def _layer(store: Store, changes: Changes) -> Layer:
    with store.workspace() as space:
        place = space.directory("layer")
        for path, given in changes.items():
            full = f"{place}/{path}"
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if given is None:
                os.mknod(full, stat.S_IFCHR, 0)
            elif path.endswith("/"):
                if given == OPAQUE:
                    os.setxattr(full, f"{store.xattrs}.overlay.opaque", b"y")
            elif isinstance(given, str):
                os.symlink(given, full)
            else:
                assert isinstance(given, bytes | tuple)
                data, mode = given if isinstance(given, tuple) else (given, 0o644)
                with open(full, "wb") as file:
                    file.write(data)
                os.chmod(full, mode)
        return publish(store, place)
