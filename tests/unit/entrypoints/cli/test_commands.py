"""Commands are made from the table of operations, and every field of a request can be said."""

from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner

from beeyard.application.operation import Operation, Request
from beeyard.application.operations import OPERATIONS
from beeyard.entrypoints.cli.commands import COMMANDS, made
from beeyard.entrypoints.cli.main import cli
from beeyard.entrypoints.cli.parameters import HELP, Duration, parameters

FACES = {"apply": "up"}
FROM_FILES = {"specs", "origin", "master", "runs", "packages"}


def leaves(commands: dict[str, click.Command], *above: str) -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    found: dict[str, click.Command] = {}
    for name, command in commands.items():
        if isinstance(command, click.Group):
            found |= leaves(dict(command.commands), *above, name)
        else:
            found[" ".join([*above, name])] = command
    return found


LEAVES = leaves(COMMANDS)
ALONE = {"package build", "run", "new module", *(name for name in LEAVES if name.startswith("repo "))}
"""Those that need no master."""


TYPED = [name for name, operation in OPERATIONS.items() if not operation.by_worker]
"""What people ask; a worker asks the rest itself."""


def words(operation: str) -> str:
    """How an operation is asked for on the command line."""
    return FACES.get(operation, operation.replace("_", " "))


@pytest.mark.parametrize("name", TYPED)
def test_every_operation_has_a_command_with_help(name: str) -> None:
    """Its help is the operation's own summary."""
    result = CliRunner().invoke(cli, [*words(name).split(), "-h"])
    assert result.exit_code == 0
    assert OPERATIONS[name].summary.split()[0] in result.output


@pytest.mark.parametrize("name", TYPED)
def test_every_field_of_a_request_can_be_said(name: str) -> None:
    """Those that come out of a worker file aside."""
    known = {parameter.name for parameter in LEAVES[words(name)].params}
    fields = {field.name for field in msgspec.structs.fields(OPERATIONS[name].request)}
    assert fields - FROM_FILES <= known


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_is_explained(name: str) -> None:
    """A table that lacks a new field is found here."""
    silent = [p.name for p in LEAVES[name].params if isinstance(p, click.Option) and not (p.help or p.hidden)]
    assert silent == []


def test_every_explanation_is_of_a_field() -> None:
    """None is left over from a field that is gone."""
    found = [
        (o.request.__name__, field.name) for o in OPERATIONS.values() for field in msgspec.structs.fields(o.request)
    ]
    assert set(HELP) <= {field for _, field in found} | {f"{request}.{field}" for request, field in found}


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_knows_json(name: str) -> None:
    """And the master it is about, wherever that is said, if it is about one."""
    about = {"as_json", "state_dir", "url"}
    known = {parameter.name for parameter in LEAVES[name].params}
    assert known & about == ({"as_json"} if name in ALONE else about)


@pytest.mark.parametrize("name", TYPED)
def test_what_changes_something_can_say_why(name: str) -> None:
    """And nothing else asks for a reason."""
    assert ("reason" in {parameter.name for parameter in LEAVES[words(name)].params}) == OPERATIONS[name].changes


@pytest.mark.parametrize("name", ["", *(LEAVES | COMMANDS)])
def test_help_fits_a_terminal(name: str) -> None:
    """80 columns, and nothing cut."""
    result = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert (result.exit_code, [line for line in result.output.splitlines() if len(line) > 80]) == (0, [])
    assert "..." not in result.output.partition("Commands:")[2]


class Odd(Request[None]):
    """A request of kinds that no operation has yet."""

    worker: str
    count: int
    deep_look: bool = True
    words: list[str] = msgspec.field(default_factory=list)
    name: str | None = None


def test_a_new_operation_has_a_command_at_once() -> None:
    """With its fields as options, required where they have no default."""
    seen: dict[str, Any] = {}

    async def odd(master: Any, request: Odd, caller: Any) -> None:
        """Look oddly."""

    command = made(Operation("odd", Odd, odd))
    command.callback = lambda **given: seen.update(given)
    args = ["web", "--count", "3", "--no-deep-look", "--words", "a", "--words", "b"]
    result = CliRunner().invoke(command, args)
    assert result.output == ""
    assert seen == {
        "worker": "web", "count": 3, "deep_look": False, "words": ("a", "b"), "name": None, "as_json": False
    }  # fmt: skip
    assert CliRunner().invoke(command, ["web"]).exit_code == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("1h30m", 5400.0), ("250ms", 0.25), ("10", 10.0), ("0", 0.0), ("1.5", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """With a unit, or in seconds."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1s", "1y", "nan", "inf", "1e9", "9" * 400])
def test_no_durations(text: str) -> None:
    """Refused with the form that was expected."""
    with pytest.raises(click.BadParameter, match="is not a duration such as 250ms, 30s, 5m, 1h or 1h30m"):
        Duration().convert(text, None, None)


def test_defaults_are_those_of_the_request() -> None:
    """Said once, in the operation."""
    request = OPERATIONS["logs"].request
    context = click.Command("logs", params=parameters(request)).make_context("logs", [])
    assert request(**{**context.params, "workers": []}) == request()
