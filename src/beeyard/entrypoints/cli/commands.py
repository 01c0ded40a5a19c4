"""One command for each operation: made from the table, but for the few that do more than ask and print."""

from typing import Any

import click

from beeyard.application.operation import Operation
from beeyard.application.operations import OPERATIONS
from beeyard.entrypoints.cli.asking import ask
from beeyard.entrypoints.cli.byhand import by_hand, common, config, reload
from beeyard.entrypoints.cli.groups import Commands
from beeyard.entrypoints.cli.new import new
from beeyard.entrypoints.cli.package import build
from beeyard.entrypoints.cli.parameters import parameters
from beeyard.entrypoints.cli.repo import repo
from beeyard.entrypoints.cli.run import run
from beeyard.entrypoints.cli.target import Target

FIRST = (
    *(
        "up",
        "reload",
        "down",
        "ps",
        "logs",
        "why",
        "show",
        "events",
        "start",
        "stop",
        "restart",
        "swap",
        "probe",
        "add",
        "remove",
        "info",
        "run",
        "new",
    ),
    *("endpoint", "orphan", "job", "token", "audit", "config", "package", "rollout", "repo"),
)
"""The order in --help; whatever else there is comes after these."""

GROUPS = {
    "endpoint": "Tell where workers are to be reached.",
    "orphan": "Find what runs and is in no record, and take it away.",
    "job": "Look at what was asked, and how it goes.",
    "token": "Say who may ask over the network.",
    "package": "Install what workers run from, and look after it; make packages.",
    "rollout": "Watch workers go over to another version, and take a hand in it.",
    "audit": "See who did what.",
}
"""What the commands of one noun are for."""


def made(operation: Operation) -> click.Command:
    """The command that asks for the operation and prints the reply."""

    @click.pass_obj
    def asking(target: Target, /, as_json: bool, reason: str = "", **fields: Any) -> None:
        ask(target, operation, fields, as_json, reason)

    short = operation.summary.partition(";")[0].partition(":")[0].rstrip(".")
    params = [*parameters(operation.request), *common(changes=operation.changes)]
    return click.Command(operation.name, params=params, callback=asking, help=operation.summary, short_help=short)


def _commands() -> dict[str, click.Command]:
    own = by_hand()
    by_name: dict[str, click.Command] = {}
    groups: dict[str, Commands] = {}
    for name, operation in OPERATIONS.items():
        if operation.by_worker:
            continue  # Nobody types what takes a token of its own, once.
        command = own.get(name) or made(operation)
        noun, _, verb = str(command.name).partition("_")
        if verb:  # token_create is `token create`
            command.name = verb
            groups.setdefault(noun, Commands(noun, help=GROUPS[noun])).add_command(command)
        else:
            by_name[noun] = command
    groups["package"].add_command(build)
    by_name |= {**groups, "reload": reload(), "config": config(), "repo": repo(), "run": run, "new": new}
    order = [*(name for name in FIRST if name in by_name), *(name for name in by_name if name not in FIRST)]
    return {name: by_name[name] for name in order}


COMMANDS = _commands()
"""Name -> command, in the order of --help."""
