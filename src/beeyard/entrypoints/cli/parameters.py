"""Arguments and options of a command, made from the fields of its operation's request. Knows no operation by name.

What a command is about (a worker, several, a job, a token) becomes an argument; all else an option like its field.
"""

import re
from collections.abc import Iterable, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import msgspec

from beeyard.domain import values

SHORT = {"follow": "-f", "lines": "-n", "workers": "-w"}
"""Short spellings of options."""
FLAGS = {"workers": "worker"}
"""Long spellings, where that is not the field's name."""
METAVARS = {"workers": "WORKER", "known": "NUMBER:HASH", "after": "LAST"}
"""What stands for the value, where its type does not say it."""

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
    "limit": "At most so many.",
    "since": "Only what was written since then: 10m ago, or 2026-01-31T12:00.",
    "after": "Go on behind this one, the last of an earlier answer.",
    "role": "What it allows: to look, to start and stop as well, everything.",
    "Probe.role": "This probe only.",
    "install": "It also allows to bring new programs onto the host.",
    "workers": "It is about this worker or group alone; may be said again.",
    "PackageInstall.timeout": "Give up after this; what came is kept for the next try.",
    "downgrade": "An older version than the one that is there will do.",
    "Stop.force": "Kill them at once, whatever their stop sequence says.",
    "PackageUninstall.force": "Also what workers would go back to.",
    "force": "Bring it again although it is there; nothing is left unchecked.",
    "target": "Only if it runs as this.",
    "newest": "Take what is installed only if there is no newer one.",
    "PackageUpdate.to": "This version, also one that was bad; not the newest.",
    "restored": "Its data is from before: let a version start that could not read what ran last wrote.",
    "PackageRollback.to": "This version; not the last healthy one before.",
    "RolloutStatus.follow": "Go on with each change, until all of it is over.",
    "depth": "Is it there; are sizes, modes and links right; is every byte.",
    "keep": "So many versions of each package stay in any case.",
    "all": "All of them.",
    "older_than": "Leave those that are younger.",
    "OrphanRemove.timeout": "Wait no longer than this for each.",
    "dry_run": "Only say what would be done.",
    "local": "Ask no repository.",
    "sbom": "Print what it is made of, CycloneDX as JSON, of the newest that is installed or to be had.",
    "provenance": "Print what made it from what, an in-toto statement as JSON.",
    "papers": "Bring SBOM and provenance from the repositories, and see whether they are theirs.",
    "neighbour": "For another Beeyard to fetch files of packages from here, and for nothing else.",
    "lasts": "How long it is good for.",
    "known": "What an earlier check printed; the journal has to go back to it still.",
}
"""What the fields mean, for --help; one with a request's name before it is of that request alone."""


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


class Moment(click.ParamType[float]):
    """`10m` ago, or `2026-01-31T12:00` in the local zone unless it names another."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Wall-clock seconds."""
        import time
        from datetime import datetime

        if re.fullmatch(r"\d{4}-.*", str(value)):
            try:
                return datetime.fromisoformat(str(value)).timestamp()
            except ValueError:
                self.fail(f"{value!r} is not a time such as 2026-01-31T12:00", param, ctx)
        return time.time() - Duration().convert(value, param, ctx)


class Known(click.ParamType[str]):
    """The name of something that the master knows, completed in a shell from what it answers."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names that begin like this; none while no master answers."""
        from click.shell_completion import CompletionItem

        from beeyard.domain.errors import BeeyardError
        from beeyard.entrypoints.cli.target import chosen

        given = ctx.find_root().params
        try:
            client = chosen(given.get("state_dir"), given.get("url")).client(patient=False)
            return [CompletionItem(name) for name in self.names(client) if name.startswith(incomplete)]
        except BeeyardError:
            return []

    def names(self, client: Any) -> Iterable[str]:
        """All there are."""
        raise NotImplementedError


class Worker(Known):
    """The name of a worker or a group."""

    name = "worker"

    def names(self, client: Any) -> Iterable[str]:
        """Groups before their workers."""
        from beeyard.application.operations.ps import Ps

        ids = [view.id for view in client.ask(Ps())]
        return dict.fromkeys(name for worker in ids for name in (values.instance_of(worker), worker))


class Job(Known):
    """The id of a job."""

    name = "job"

    def names(self, client: Any) -> Iterable[str]:
        """The newest first."""
        from beeyard.application.operations.job_list import JobList

        return [view.id for view in client.ask(JobList())]


class Token(Known):
    """The name of a token."""

    name = "token"

    def names(self, client: Any) -> Iterable[str]:
        """All but sessions and links, which have none of their own."""
        from beeyard.application.operations.token_list import TokenList

        return [view.name for view in client.ask(TokenList()) if view.kind == "token"]


class Package(Known):
    """The name of a package."""

    name = "package"

    def names(self, client: Any) -> Iterable[str]:
        """Those that are installed."""
        from beeyard.application.operations.package_list import PackageList

        return dict.fromkeys(view.name for view in client.ask(PackageList()))


class Orphan(Known):
    """The name of an orphan."""

    name = "orphan"

    def names(self, client: Any) -> Iterable[str]:
        """As its worker was called."""
        from beeyard.application.operations.orphan_list import OrphanList

        return dict.fromkeys(orphan.worker for orphan in client.ask(OrphanList()).orphans)


SEVERAL: dict[str, tuple[click.ParamType[str], str]] = {
    "workers": (Worker(), "WORKER"),
    "packages": (Package(), "PACKAGE"),
    "orphans": (Orphan(), "NAME"),
}
"""Fields with several of what a command is about."""
NAMED: dict[str, tuple[click.ParamType[str], str]] = {
    "worker": (Worker(), "WORKER"),
    "id": (Job(), "JOB"),
    "token": (Token(), "TOKEN"),
    "package": (Package(), "PACKAGE"),
    "endpoint": (click.STRING, "NAME"),
    "name": (click.STRING, "NAME"),
}
"""Fields that are what a command is about, and so are said without an option."""
OPTIONAL = ("package", "endpoint")
"""Those of them that need not be said."""


def parameters(request: type[Any], leave_out: Sequence[str] = ()) -> list[click.Parameter]:
    """One parameter for each field, in the fields' order."""
    hints = get_type_hints(request)
    fields = msgspec.structs.fields(request)
    about = {field.name for field in fields if field.name in NAMED and (field.required or field.name in OPTIONAL)}
    return [
        _parameter(
            field,
            hints[field.name],
            field.name in about or (field.name in SEVERAL and not about),
            HELP.get(f"{request.__name__}.{field.name}", HELP.get(field.name, "")),
        )
        for field in fields
        if field.name not in leave_out
    ]


def _parameter(field: Any, kind: Any, is_argument: bool, help: str) -> click.Parameter:
    name, required = field.name, field.required
    if is_argument and name in SEVERAL:
        type, word = SEVERAL[name]
        metavar = f"{word}..." if required else f"[{word}]..."
        return click.Argument([name], type=type, nargs=-1, required=required, metavar=metavar)
    if is_argument:
        type, metavar = NAMED[name]
        return click.Argument([name], type=type, required=required, metavar=metavar if required else f"[{metavar}]")
    if _is_union(kind):
        (kind,) = [part for part in get_args(kind) if part is not NoneType]
    flag = FLAGS.get(name, name.replace("_", "-"))
    spellings = [*([SHORT[name]] if name in SHORT else []), f"--{flag}", name]
    common: dict[str, Any] = {"help": help, "required": required, "metavar": METAVARS.get(name)}
    if not required:
        common["default"] = field.default
    if kind is bool:
        both = f"--{flag}/--no-{flag}"
        return click.Option([*spellings[:-2], both, name], show_default=bool(field.default), **common)
    if name == "since":
        return click.Option(spellings, type=Moment(), **common)
    if kind is float:
        common["default"] = None if required else values.human_duration(field.default)
        return click.Option(spellings, type=Duration(), show_default=True, **common)
    if kind is int:
        return click.Option(spellings, type=click.IntRange(min=0), show_default=True, **common)
    if get_origin(kind) is Literal:
        return click.Option(spellings, type=click.Choice(get_args(kind)), show_default=True, **common)
    if get_origin(kind) is list:
        type = Worker() if name == "workers" else click.STRING
        return click.Option(spellings, type=type, multiple=True, **{**common, "default": ()})
    return click.Option(spellings, type=str, **common)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in {Union, UnionType}
