"""builder.bases.mmdebstrap: what is said when it fails."""

from __future__ import annotations

import pytest

from lamina.builder.bases.mmdebstrap import failed


@pytest.mark.parametrize(
    ("said", "words", "hint"),
    [
        ("E: no package called x y", "base: no package called x y.", "typing error"),
        ("W: GPG error: NO_PUBKEY 1\nE: not signed", "not signed.", "keyring"),
        ("dpkg: No space left on device\n", "exit code 25.", "system prune"),
        ("", "exit code 25.", "mirror"),
    ],
)
def test_a_failure_is_a_sentence_and_a_way_on(said: str, words: str, hint: str) -> None:
    error = failed(25, f"I: running apt-get update...\n{said}\n")
    assert words in error.message
    assert hint in error.hint
    assert "I: running" not in error.excerpt
