"""`--change` of `commit` and `import`: instructions applied to an image's config."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add_change(parser: argparse.ArgumentParser) -> None:
    """Register the flag; `builder.planning.changes` applies what it collects."""
    parser.add_argument(
        "-c",
        "--change",
        action="append",
        default=[],
        metavar="INSTRUCTION",
        help="apply an instruction, such as 'CMD [\"sh\"]' (repeat)",
    )
