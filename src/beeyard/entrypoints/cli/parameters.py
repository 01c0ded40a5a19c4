"""Arguments and options of a command, made from the fields of its operation's request. Knows no operation by name.

A list of worker names, or one, becomes an argument; everything else an option named like its field.
"""

import re
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec

from beeyard.domain import values

SHORT = {"follow": "-f", "lines": "-n"}
"""Short spellings of options."""

HELP = {
    "wait": "Answer once each worker is where it was asked to be, or can't get there.",
    "timeout": "Wait no longer than this.",
    "stop": "Stop those that run first.",
    "purge": "Delete their logs as well.",
    "lines": "The newest lines of each worker.",
    "follow": "Go on with each new line.",
    "stream": "One stream only.",
    "story": "At most so many lines of its story.",
    "deaths": "At most so many of its deaths.",
}
"""What the fields mean, for --help."""


class Duration(click.ParamType[float]):
    """`250ms`, `30s`, `1h30m`; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        text = str(value)
        try:
            return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else values.duration(text)
        except ValueError as error:
            self.fail(f"{text!r} is not {error}", param, ctx)


class Worker(click.ParamType[str]):
    """The name of a worker or a group; completed in a shell from what the master knows."""

    name = "worker"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names that begin like this; none while no master answers."""
        from click.shell_completion import CompletionItem

        from beeyard.application.operations.ps import Ps
        from beeyard.domain.errors import BeeyardError
        from beeyard.entrypoints.cli.client import Client
        from beeyard.launcher.paths import Paths, default_state

        state = ctx.find_root().params.get("state_dir") or default_state()
        try:
            names = [view.id for view in Client(Paths(state), returning=0.0).ask("ps", Ps())]
        except BeeyardError:
            return []
        known = dict.fromkeys(name for worker in names for name in (values.instance_of(worker), worker))
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def parameters(request: type[Any], leave_out: Sequence[str] = ()) -> list[click.Parameter]:
    """One parameter for each field, in the fields' order."""
    hints = get_type_hints(request)
    return [
        _parameter(field, hints[field.name]) for field in msgspec.structs.fields(request) if field.name not in leave_out
    ]


def _parameter(field: Any, kind: Any) -> click.Parameter:
    name, required = field.name, field.required
    if name == "workers":
        return click.Argument([name], type=Worker(), nargs=-1, required=required, metavar=_names(required))
    if name == "worker":
        return click.Argument([name], type=Worker(), metavar="WORKER")
    flag = name.replace("_", "-")
    spellings = [*([SHORT[name]] if name in SHORT else []), f"--{flag}", name]
    common: dict[str, Any] = {"help": HELP.get(name, ""), "required": required}
    if not required:
        common["default"] = field.default
    if kind is bool:
        both = f"--{flag}/--no-{flag}"
        return click.Option([*spellings[:-2], both, name], show_default=bool(field.default), **common)
    if kind is float:
        common["default"] = None if required else values.human_duration(field.default)
        return click.Option(spellings, type=Duration(), show_default=True, **common)
    if kind is int:
        return click.Option(spellings, type=click.IntRange(min=0), show_default=True, **common)
    inner = [part for part in get_args(kind) if part is not NoneType] if _is_union(kind) else [kind]
    if len(inner) == 1 and get_origin(inner[0]) is Literal:
        return click.Option(spellings, type=click.Choice(get_args(inner[0])), **common)
    if get_origin(kind) is list:
        return click.Option(spellings, multiple=True, **{**common, "default": ()})
    return click.Option(spellings, type=str, **common)


def _names(required: bool) -> str:
    return "WORKER..." if required else "[WORKER]..."


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, UnionType}
