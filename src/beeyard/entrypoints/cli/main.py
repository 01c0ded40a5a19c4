"""The program `beeyard`: the group of commands, the global options, and what becomes of errors.

Nothing here loads asyncio, the HTTP server, rich or a YAML reader: `beeyard ps` is to answer in a blink.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from beeyard.domain.errors import BeeyardError, Invalid
from beeyard.entrypoints.cli.commands import COMMANDS
from beeyard.entrypoints.cli.groups import INTERRUPTED, Commands
from beeyard.entrypoints.cli.target import chosen

BROKEN_PIPE, OUR_FAULT = 141, 70

COMPLETION = 'Completion: eval "$(_BEEYARD_COMPLETE=bash_source beeyard)"; zsh_source and fish_source as well.'


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"beeyard {version('beeyard')}")
        ctx.exit()


@click.group(
    cls=Commands,
    commands=COMMANDS,
    epilog=COMPLETION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--state-dir", metavar="DIR", help="Where everything of one master lies.  [env: BEEYARD_STATE_DIR]")
@click.option("--url", help="Ask the master at this address, with the token in BEEYARD_TOKEN.  [env: BEEYARD_URL]")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context, state_dir: str | None, url: str | None) -> None:
    """Keep workers running, and say why they died.

    Exit codes: 0 done, 2 input wrong, 3 no such worker, 4 not in this state, 5 something is down, 6 a worker or a
    launch failed, 7 not to be trusted, 8 not allowed, 10 changes pending (--dry-run), 70 a bug in Beeyard.
    """
    if state_dir == "":
        raise click.BadParameter("an empty path", ctx, param_hint="--state-dir")
    ctx.obj = chosen(state_dir, url)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # It was closed: what is opened next must not get its number.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # A worker's note may hold what this terminal can't show.
    given = list(sys.argv[1:] if arguments is None else arguments)
    code, lost = _run(given), False
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    except OSError:  # It was told already.
        lost = True
    if lost or code == BROKEN_PIPE:
        # Whoever read us had enough, as `head` does, or there is no room. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _run(given: list[str]) -> int:
    try:
        return int(cli.main(given, prog_name="beeyard", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _complain(_invalid(error), given)
        return error.exit_code if error.exit_code != 1 else OUR_FAULT
    except BeeyardError as error:
        _complain(error, given)
        return error.exit
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as ended:
        # So click ends when nobody reads any more, and so does completion when its work is done.
        return BROKEN_PIPE if ended.code == 1 else int(ended.code or 0)
    except Exception:
        import traceback

        traceback.print_exc()
        return OUR_FAULT


def _complain(error: BeeyardError, given: list[str]) -> None:
    own = given[: given.index("--")] if "--" in given else given
    if "--json" in own:
        import json

        from beeyard.application.problems import to_problem

        text = json.dumps(to_problem(error))
    else:
        from beeyard.entrypoints.cli import render
        from beeyard.entrypoints.cli.screen import colours

        text = render.error(error, colour=colours(sys.stderr))
    print(text, file=sys.stderr)  # noqa: T201


def _invalid(error: click.ClickException) -> Invalid:
    """A usage error as one of ours."""
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "beeyard"
    text = error.format_message()
    return Invalid("usage", "{text}", text=text[:1].lower() + text[1:].rstrip("."), hint=f"{path} --help")
