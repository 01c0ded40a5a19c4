"""`beeyard orphan remove`: what would go is shown and asked about first. Which ones go, only the master says."""

import sys
from typing import Any

import click

from beeyard.application.operations import OPERATIONS
from beeyard.domain.errors import Invalid
from beeyard.entrypoints.cli.asking import ask, requested
from beeyard.entrypoints.cli.sweeping import tell
from beeyard.entrypoints.cli.target import Target


def sweep(target: Target, fields: dict[str, Any], *, as_json: bool, yes: bool, reason: str) -> None:
    """`orphan remove`. Raises Invalid where nobody can be asked and `--yes` was not said."""
    operation = OPERATIONS["orphan_remove"]
    if not fields["dry_run"] and not yes:
        if as_json or not sys.stdin.isatty():
            raise Invalid(
                "not_asked", "nobody is here to be asked", hint="say --yes, or --dry-run to see what would go"
            )
        rehearsed = target.client().ask(requested(operation, fields | {"dry_run": True}))
        tell(rehearsed, "would go", "would stay")
        if rehearsed.removed and not _agreed(len(rehearsed.removed)):
            return
    ask(target, operation, fields, as_json, reason)


def _agreed(count: int) -> bool:
    return click.confirm(f"End and remove {'it' if count == 1 else f'all {count}'}?", err=True)
