"""One command for each operation: made from the table, but for the few that do more than ask and print."""

from typing import Any

import click

from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.base import Operation
from beeyard.entrypoints.cli.asking import ask
from beeyard.entrypoints.cli.byhand import by_hand, common, config
from beeyard.entrypoints.cli.parameters import parameters
from beeyard.launcher.paths import Paths

FIRST = ("up", "down", "ps", "logs", "why", "start", "stop", "restart", "add", "remove", "info")
"""The order in --help; whatever else there is comes after these."""


def made(operation: Operation) -> click.Command:
    """The command that asks for the operation and prints the reply."""

    @click.pass_obj
    def run(paths: Paths, /, as_json: bool, **fields: Any) -> None:
        ask(paths, operation, fields, as_json)

    short = operation.summary.partition(";")[0].partition(":")[0].rstrip(".")
    params = [*parameters(operation.request), *common()]
    return click.Command(operation.name, params=params, callback=run, help=operation.summary, short_help=short)


def _commands() -> dict[str, click.Command]:
    own = by_hand()
    found = [own.get(name) or made(operation) for name, operation in OPERATIONS.items()]
    by_name = {str(command.name): command for command in [*found, config()]}
    order = [*(name for name in FIRST if name in by_name), *(name for name in by_name if name not in FIRST)]
    return {name: by_name[name] for name in order}


COMMANDS = _commands()
"""Name -> command, in the order of --help."""
