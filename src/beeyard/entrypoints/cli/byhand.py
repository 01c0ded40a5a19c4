"""Commands with more to do than to ask and to print. What they do is loaded when it is done."""

from typing import Any

import click

from beeyard.application.operations import OPERATIONS
from beeyard.entrypoints.cli.parameters import parameters
from beeyard.launcher.paths import Paths

FILE = click.Path(dir_okay=True, path_type=str)


def common() -> list[click.Parameter]:
    """What every command has. `--state-dir` is the group's, and understood here too."""

    def choose(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            ctx.obj = Paths(value)

    text = "Print JSON, as the API answers; errors as well."
    return [
        click.Option(["--json", "as_json"], is_flag=True, help=text),
        click.Option(["--state-dir"], metavar="DIR", hidden=True, expose_value=False, callback=choose),
    ]


def _up(paths: Paths, file: str | None, detach: bool, dry_run: bool, as_json: bool) -> int:
    from beeyard.entrypoints.cli.up import up

    return up(paths, file, detach=detach, dry_run=dry_run, as_json=as_json)


def _down(paths: Paths, as_json: bool, **fields: Any) -> None:
    from beeyard.entrypoints.cli.asking import show_json
    from beeyard.entrypoints.cli.down import down, ended
    from beeyard.entrypoints.cli.screen import show

    view = down(paths, OPERATIONS["down"].request(**fields))
    if as_json:
        import msgspec

        show_json(msgspec.json.encode(view or {"ended": 0, "stuck": []}))
    else:
        show(ended(view, paths.state))


def _logs(paths: Paths, as_json: bool, timestamps: bool, workers: tuple[str, ...], **fields: Any) -> None:
    from beeyard.entrypoints.cli.client import Client
    from beeyard.entrypoints.cli.lines import print_lines

    request = OPERATIONS["logs"].request(workers=list(workers), **fields)
    print_lines(Client(paths), request, timestamps=timestamps, as_json=as_json)


def _add(
    paths: Paths,
    words: tuple[str, ...],
    file: str | None,
    env: tuple[str, ...],
    cwd: str | None,
    restart: str | None,
    port: tuple[str, ...],
    as_json: bool,
    wait: bool,
    timeout: float,
) -> None:
    from beeyard.entrypoints.cli import local
    from beeyard.entrypoints.cli.asking import ask

    if file is not None:
        if env or cwd or restart or port:
            raise click.UsageError("with --file, the file says it all: no --env, --cwd, --restart or --port")
        specs = local.specs_of_file(file, words)
    elif len(words) < 2:
        raise click.UsageError("expected ID -- COMMAND, or --file FILE")
    else:
        specs = local.specs_of_command(words[0], words[1:], env, cwd, restart, port)
    ask(paths, OPERATIONS["add"], {"specs": specs, "wait": wait, "timeout": timeout}, as_json)


def _check(paths: Paths, file: str | None, as_json: bool) -> None:
    import json

    from beeyard.entrypoints.cli import local, render
    from beeyard.entrypoints.cli.screen import show

    found = local.summary(local.load(file))
    show(json.dumps(found, indent=2) if as_json else render.checked(found))


def _command(name: str, run: Any, params: list[click.Parameter], text: str, short: str = "") -> click.Command:
    return click.Command(name, params=[*params, *common()], callback=click.pass_obj(run), help=text, short_help=short)


def by_hand() -> dict[str, click.Command]:
    """Operation -> its command."""
    file = click.Argument(["file"], required=False, type=FILE)
    flag: dict[str, Any] = {"is_flag": True}
    up = _command(
        "up",
        _up,
        [
            file,
            click.Option(["-d", "--detach"], help="Do not stay in the foreground.", **flag),
            click.Option(["--dry-run"], help="Show what would change; exit code 10 if anything would.", **flag),
        ],
        f"{OPERATIONS['apply'].summary}\n\nWithout FILE: beeyard.yaml or beeyard.toml of this folder. A master is "
        "started if none runs; without --detach, Ctrl-C then ends it and its workers.",
        "Run the workers of a file; change only what changed",
    )
    down = _command("down", _down, parameters(OPERATIONS["down"].request), OPERATIONS["down"].summary, "End everything")
    logs = _command(
        "logs",
        _logs,
        [
            *parameters(OPERATIONS["logs"].request),
            click.Option(["-t", "--timestamps"], help="Put the time before each line.", **flag),
        ],
        OPERATIONS["logs"].summary,
        "Show what workers wrote",
    )
    return {"apply": up, "down": down, "logs": logs, "add": _adding()}


def _adding() -> click.Command:
    several: dict[str, Any] = {"multiple": True}
    policies = click.Choice(["never", "on-failure", "always", "unless-stopped"])
    return _command(
        "add",
        _add,
        [
            click.Argument(["words"], nargs=-1, metavar="ID -- COMMAND... | --file FILE [ID]..."),
            click.Option(["-f", "--file"], type=FILE, help="Add the workers of this file, or those of them named."),
            click.Option(["-e", "--env"], metavar="NAME=VALUE", help="A variable of its environment.", **several),
            click.Option(["--cwd"], type=FILE, metavar="DIR", help="Its working directory.  [default: this one]"),
            click.Option(["--restart"], type=policies, help="When it is started again.  [default: on-failure]"),
            click.Option(["--port"], metavar="NAME=N|auto", help="An endpoint; auto finds a free port.", **several),
            *parameters(OPERATIONS["add"].request, leave_out=["specs"]),
        ],
        f"{OPERATIONS['add'].summary}\n\nExample: beeyard add web --port http=auto -- python3 -m http.server",
        "Add a worker that no file names",
    )


def config() -> click.Group:
    """`config check`."""
    file = click.Argument(["file"], required=False, type=FILE)
    check = _command("check", _check, [file], "Read a worker file and print every problem in it; exit code 2 if any.")
    return click.Group("config", commands={"check": check}, help="Look at worker files.")
