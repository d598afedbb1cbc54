"""Files and folders of the host, as the mounts that containers are given of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.runtime.errors import ContainerError
from lamina.runtime.isolation.binds import clone_source
from lamina.runtime.spec import Mount


@pytest.mark.root
def test_a_source_is_copied_with_its_attributes(tmp_path: Path) -> None:
    fd = clone_source(Mount("/x", "bind", str(tmp_path), ("ro", "noatime")))
    try:
        with pytest.raises(OSError, match="Read-only"):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    finally:
        os.close(fd)
    with pytest.raises(ContainerError, match="unknown option 'sync'"):
        clone_source(Mount("/x", "bind", str(tmp_path), ("sync",)))
