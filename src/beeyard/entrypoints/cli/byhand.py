"""Commands with more to do than to ask and to print. What they do is loaded when it is done."""

from typing import Any

import click

from beeyard.application.operations import OPERATIONS
from beeyard.entrypoints.cli.groups import Commands
from beeyard.entrypoints.cli.parameters import parameters
from beeyard.entrypoints.cli.target import Target, chosen

FILE = click.Path(dir_okay=True, path_type=str)


def common(*, changes: bool = False) -> list[click.Parameter]:
    """What every command has. `--state-dir` and `--url` are the group's, and understood here too."""

    def folder(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            ctx.obj = chosen(value, None)

    def address(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            ctx.obj = chosen(None, value)

    hidden: dict[str, Any] = {"hidden": True, "expose_value": False}
    reason = click.Option(["--reason"], metavar="TEXT", default="", help="Why, for the journal.")
    return [
        *([reason] if changes else []),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, as the API answers; errors as well."),
        click.Option(["--state-dir"], metavar="DIR", callback=folder, **hidden),
        click.Option(["--url"], callback=address, **hidden),
    ]


def _up(target: Target, file: str | None, detach: bool, dry_run: bool, reason: str, as_json: bool) -> int:
    from beeyard.entrypoints.cli.up import up

    return up(target.paths, file, detach=detach, dry_run=dry_run, as_json=as_json, reason=reason)


def _reload(target: Target, file: str | None, dry_run: bool, reason: str, as_json: bool) -> int:
    from beeyard.entrypoints.cli.reload import reload

    return reload(target.paths, file, dry_run=dry_run, as_json=as_json, reason=reason)


def _down(target: Target, as_json: bool, reason: str, **fields: Any) -> None:
    from beeyard.entrypoints.cli.asking import show_json
    from beeyard.entrypoints.cli.down import down, down_from_afar, ended
    from beeyard.entrypoints.cli.screen import show

    request = OPERATIONS["down"].request(**fields)
    view = down_from_afar(target, request, reason) if target.url else down(target.paths, request, reason)
    if as_json:
        import msgspec

        show_json(msgspec.json.encode(view or {"ended": 0, "stuck": [], "left": []}))
    else:
        show(ended(view, target.name))


def _logs(target: Target, as_json: bool, timestamps: bool, **fields: Any) -> None:
    from beeyard.entrypoints.cli.asking import requested
    from beeyard.entrypoints.cli.lines import print_lines

    request = requested(OPERATIONS["logs"], fields)
    print_lines(target.client(), request, timestamps=timestamps, as_json=as_json)


def _add(
    target: Target,
    words: tuple[str, ...],
    file: str | None,
    env: tuple[str, ...],
    cwd: str | None,
    restart: str | None,
    port: tuple[str, ...],
    as_json: bool,
    reason: str,
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
    ask(target, OPERATIONS["add"], {"specs": specs, "wait": wait, "timeout": timeout}, as_json, reason)


def _verify(target: Target, as_json: bool, known: str | None, file: str | None) -> None:
    if file is None:
        from beeyard.entrypoints.cli.asking import ask

        ask(target, OPERATIONS["audit_verify"], {"known": known}, as_json)
    else:
        from beeyard.entrypoints.cli.audit import verify

        verify(target, file, known, as_json)


def _export(target: Target, as_json: bool, output: str | None) -> None:
    from beeyard.entrypoints.cli.audit import export

    export(target.client(), output)


def _sweep(target: Target, as_json: bool, yes: bool, reason: str, **fields: Any) -> None:
    from beeyard.entrypoints.cli.sweep import sweep

    sweep(target, fields, as_json=as_json, yes=yes, reason=reason)


def _lock(target: Target, file: str | None, update: tuple[str, ...], update_all: bool, as_json: bool) -> None:
    from beeyard.entrypoints.cli.locking import lock

    lock(target, file, update, update_all=update_all, as_json=as_json)


def _check(target: Target, file: str | None, as_json: bool) -> None:
    import json

    from beeyard.entrypoints.cli import local, render
    from beeyard.entrypoints.cli.screen import show

    found = local.summary(local.load(file))
    show(json.dumps(found, indent=2) if as_json else render.checked(found))


def _convert(target: Target, file: str | None, output: str | None, force: bool, as_json: bool) -> None:
    import json

    from beeyard.entrypoints import settings
    from beeyard.entrypoints.cli import convert
    from beeyard.entrypoints.cli.screen import show

    file = file or settings.find(".")
    text = convert.converted(file)
    if output:
        convert.write(file, text, output, force=force)
    if as_json:
        show(json.dumps({"file": file, "output": output, "text": text}, indent=2))
    elif output:
        show(f"{output}: written")
    else:
        show(text.removesuffix("\n"))


def _command(
    name: str, run: Any, params: list[click.Parameter], text: str, short: str = "", *, changes: bool = False
) -> click.Command:
    params = [*params, *common(changes=changes)]
    return click.Command(name, params=params, callback=click.pass_obj(run), help=text, short_help=short)


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
        changes=True,
    )
    down = _command(
        "down",
        _down,
        parameters(OPERATIONS["down"].request),
        OPERATIONS["down"].summary,
        "End everything",
        changes=True,
    )
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
    return {
        "apply": up,
        "down": down,
        "logs": logs,
        "add": _adding(),
        "package_lock": _locking(),
        **_auditing(),
        **_sweeping(),
    }


def _locking() -> click.Command:
    return _command(
        "package_lock",
        _lock,
        [
            click.Argument(["file"], required=False, type=FILE),
            click.Option(["--update"], metavar="NAME", multiple=True, help="Take a newer version of this package."),
            click.Option(["--update-all"], is_flag=True, help="Take newer versions of all."),
        ],
        f"{OPERATIONS['package_lock'].summary}\n\nThe file is beeyard.lock, beside the worker file; in it stand the "
        "builds that its workers run from, and all that these need. Every host takes these and no others. Running "
        "workers stay as they are.",
        "Write down the builds that every host takes",
    )


def _sweeping() -> dict[str, click.Command]:
    operation = OPERATIONS["orphan_remove"]
    command = _command(
        operation.name,
        _sweep,
        [
            *parameters(operation.request),
            click.Option(["-y", "--yes"], is_flag=True, help="Do not ask before."),
        ],
        f"{operation.summary}\n\nWhat would go is shown, and asked about, first.",
        "End what runs and is in no record",
        changes=True,
    )
    return {operation.name: command}


def _auditing() -> dict[str, click.Command]:
    verify, export = OPERATIONS["audit_verify"], OPERATIONS["audit_export"]
    text = "Check the lines of an earlier export instead (-: standard input); takes no master."
    return {
        "audit_verify": _command(
            verify.name,
            _verify,
            [*parameters(verify.request), click.Option(["--file"], type=FILE, metavar="EXPORT", help=text)],
            f"{verify.summary}\n\nPrints the newest entry as NUMBER:HASH, to be noted down elsewhere; exit code 7 when "
            "something is wrong.",
            "Check that nobody tampered with the journal",
        ),
        "audit_export": _command(
            export.name,
            _export,
            [click.Option(["-o", "--output"], type=FILE, metavar="FILE", help="Write it there; on success only.")],
            export.summary,
            "Give out the whole journal",
        ),
    }


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
        changes=True,
    )


def reload() -> click.Command:
    """`reload`."""
    return _command(
        "reload",
        _reload,
        [
            click.Argument(["file"], required=False, type=FILE),
            click.Option(["--dry-run"], is_flag=True, help="Show what would change; exit code 10 if anything would."),
        ],
        "Read the file again that the running workers came from; change only what changed, and say what.\n\n"
        "FILE says which one, where workers came from several. A file with a mistake changes nothing, and a file that "
        "is gone removes nothing. Variables in it are those of this shell, as with `up`.",
        "Read the worker file again; change only what changed",
        changes=True,
    )


def config() -> click.Group:
    """`config check` and `config convert`."""
    file = click.Argument(["file"], required=False, type=FILE)
    check = _command(
        "check",
        _check,
        [file],
        "Read a worker file and print every problem in it, or its workers and the form it has; exit code 2 if there "
        "are problems.",
        "Print every problem in a worker file",
    )
    convert = _command(
        "convert",
        _convert,
        [
            file,
            click.Option(["-o", "--output"], type=FILE, metavar="OUT", help="Write it there, beside FILE."),
            click.Option(["--force"], is_flag=True, help="Overwrite OUT."),
        ],
        "Write a worker file in Beeyard's own form, whatever form it has: the same workers, comments kept.\n\n"
        "Without OUT it is printed. The file for an environment (BEEYARD_ENVIRONMENT) is left out.",
        "Write an older worker file in Beeyard's own form",
    )
    return Commands("config", commands={"check": check, "convert": convert}, help="Look at worker files.")
