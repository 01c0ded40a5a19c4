"""`beeyard new`, which needs no master: it reads options and says what was made."""

import click

from beeyard.entrypoints.cli.groups import Commands

_FOLDER = click.Path(file_okay=False, path_type=str)


@click.command("module", short_help="Begin a service that runs in the master or as a process")
@click.argument("name")
@click.option("--folder", type=_FOLDER, metavar="DIR", help="Write it there.  [default: ./NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; errors as well.")
def module(name: str, folder: str | None, as_json: bool) -> None:
    """Begin a project with one service, written as a module: its code, a worker file, a package file and tests that
    pass, with the service as a process and within the master.

    NAME is what Python imports, and the name of the worker. Nothing that is there already is written over.
    """
    from beeyard.entrypoints.cli.scaffold import module as made
    from beeyard.entrypoints.cli.screen import say, show

    folder = folder or name
    written = made(name, folder)
    if as_json:
        import json

        show(json.dumps({"folder": folder, "files": written}))
    else:
        show("\n".join(f"{folder.rstrip('/')}/{path}" for path in written))
        say("next: its tests, with `pytest` in that folder; README.md says what else")


new = Commands("new", commands={"module": module}, help="Begin something of your own.")
