"""`beeyard run`, which needs no master: it reads options; what it does is loaded when it is done."""

import click

_FILE = click.Path(dir_okay=False, path_type=str)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=str)


@click.command("run", short_help="Run a module in the foreground, without a master")
@click.argument("factory", metavar="PACKAGE.MODULE:FACTORY")
@click.option("--config", type=_FILE, metavar="FILE", help="What the module is configured with: YAML, JSON or TOML.")
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="One value of it, JSON or else text; a.b=VALUE goes inside.",
)
@click.option(
    "--port", "ports", metavar="NAME=PORT", multiple=True, help="The port of an endpoint.  [default: a free one]"
)
@click.option("--folder", type=_FOLDER, default=".", metavar="DIR", help="Where its code lies.  [default: here]")
@click.option("--json", "as_json", is_flag=True, help="Say how it is in JSON, a line for each change; errors as well.")
def run(
    factory: str, config: str | None, changes: tuple[str, ...], ports: tuple[str, ...], folder: str, as_json: bool
) -> int:
    """Run the module that PACKAGE.MODULE:FACTORY makes, or a registered factory of that name.

    It is the same module that a worker with `module:` runs, in the master or as a process: started, asked whether it is
    healthy, and stopped by Ctrl-C; a second one ends it at once. The exit code is the module's own: 0 when it was
    stopped, 1 when it failed, 78 when there is nothing to run.
    """
    import json

    from beeyard.entrypoints.cli.screen import say, show
    from beeyard.entrypoints.run import foreground

    def told(event: str, text: str) -> None:
        if as_json:
            show(json.dumps({"event": event, "text": text}))
        else:
            say(text)

    return foreground(factory, config, changes, ports, folder, told)
