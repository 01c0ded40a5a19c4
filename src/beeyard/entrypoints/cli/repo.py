"""`beeyard repo …`: commands that make a signed repository, here and without a master. They read options and print what
was done; what a repository is, they do not know.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from beeyard.domain.errors import Invalid
from beeyard.entrypoints.cli.groups import Commands

if TYPE_CHECKING:
    from beeyard.adapters.repositories.publishing import Done, Workshop

PASSPHRASE = "BEEYARD_REPO_PASSPHRASE"
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=3650)
"""What is published may last so long: nobody publishes more often by hand, and nothing stays true for longer."""
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)

_folder = click.argument("folder", metavar="DIR", type=FOLDER)
_keys = click.option("--keys", type=FOLDER, metavar="DIR", help="Where the keys lie.  [default: DIR-keys beside it]")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def repo() -> click.Group:
    """Make a repository of packages that its readers can verify.

    Keys are encrypted where BEEYARD_REPO_PASSPHRASE holds a passphrase. What is changed becomes visible with `publish`.
    """
    commands = (_init, _add, _promote, _yank, _sign, _publish)
    group = Commands("repo", help=repo.__doc__, short_help="Make a signed repository of packages.")
    for command in commands:
        group.add_command(command)
    return group


@click.command("init", short_help="Make a repository")
@_folder
@_keys
@click.option("--root-key", "root_keys", type=FILE, multiple=True, metavar="FILE", help="A key of the root; many.")
@click.option("--threshold", type=int, default=1, metavar="N", help="So many of them must sign.  [default: 1]")
@_json
def _init(folder: Path, keys: Path | None, root_keys: tuple[Path, ...], threshold: int, as_json: bool) -> None:
    """Make a repository: its keys, and a root that its readers pin.

    A root key that is missing is made, one that ends in .pub is somebody else's. Without any, one is made in DIR-root
    beside DIR. Root keys belong on another medium, away from this host.
    """
    from beeyard.adapters.repositories.publishing import init

    chosen = root_keys or (_beside(folder, "root") / "root.key",)
    _tell(init(_workshop(folder, keys), chosen, threshold), as_json)


@click.command("add", short_help="Put builds under an origin")
@_folder
@click.argument("builds", metavar="BUILD...", type=FILE, nargs=-1, required=True)
@click.option("--origin", required=True, metavar="NAME", help="Who made them; a new one gets a key of its own.")
@_keys
@_json
def _add(folder: Path, builds: tuple[Path, ...], origin: str, keys: Path | None, as_json: bool) -> None:
    """Put builds of `beeyard package build` under an origin: all of them, or none."""
    from beeyard.adapters.repositories.publishing import add

    _tell(add(_workshop(folder, keys), builds, origin), as_json)


@click.command("promote", short_help="Let a channel point to a version")
@_folder
@click.argument("package", metavar="NAME:VERSION")
@click.argument("channel")
@_keys
@_json
def _promote(folder: Path, package: str, channel: str, keys: Path | None, as_json: bool) -> None:
    """Let a channel point to a version, a newer or an older one."""
    from beeyard.adapters.repositories.publishing import promote

    _tell(promote(_workshop(folder, keys), package, channel), as_json)


@click.command("yank", short_help="Take a version back")
@_folder
@click.argument("package", metavar="NAME:VERSION")
@click.option("--reason", required=True, metavar="TEXT", help="What is wrong with it.")
@_keys
@_json
def _yank(folder: Path, package: str, reason: str, keys: Path | None, as_json: bool) -> None:
    """Take a version back: nobody gets it who does not name it."""
    from beeyard.adapters.repositories.publishing import yank

    _tell(yank(_workshop(folder, keys), package, reason), as_json)


@click.command("sign", short_help="Sign the next root, replace keys")
@_folder
@click.option("--key", "key_files", type=FILE, multiple=True, metavar="FILE", help="Sign the next root with this one.")
@click.option("--rotate", multiple=True, metavar="ROLE", help="Give a role a new key: root, targets, an origin, …")
@click.option("--root-key", "root_keys", type=FILE, multiple=True, metavar="FILE", help="A key of a rotated root; all.")
@click.option("--threshold", type=int, metavar="N", help="So many of them must sign.  [default: as before]")
@_keys
@_json
def _sign(
    folder: Path,
    key_files: tuple[Path, ...],
    rotate: tuple[str, ...],
    root_keys: tuple[Path, ...],
    threshold: int | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Sign the next root with offline keys, replace keys, and renew what expires before long.

    `--rotate root` gives the root the keys of each --root-key, as `repo init` takes them, and no others. It takes the
    signatures of the keys before as well: those that are dropped sign with --key, here or where they are.
    """
    from beeyard.adapters.repositories.publishing import sign

    _tell(sign(_workshop(folder, keys), key_files, rotate, root_keys, threshold), as_json)


@click.command("publish", short_help="Make all changes visible at once")
@_folder
@click.option("--lasts", default="7d", metavar="TIME", help="How long readers may rely on it.  [default: 7d]")
@_keys
@_json
def _publish(folder: Path, lasts: str, keys: Path | None, as_json: bool) -> None:
    """Make all changes visible at once. Do it again before it expires: readers refuse what is out of date."""
    from beeyard.adapters.repositories.publishing import publish

    _tell(publish(_workshop(folder, keys), _life(lasts)), as_json)


def _workshop(folder: Path, keys: Path | None) -> "Workshop":
    from beeyard.adapters.repositories.publishing import Workshop

    key_folder = keys or _beside(folder, "keys")
    if key_folder.absolute().is_relative_to(folder.absolute()):
        text, hint = "{keys} lies in the repository, which everybody reads", "name another folder: --keys"
        raise Invalid("keys_public", text, keys=str(key_folder), hint=hint)
    return Workshop(folder, key_folder, os.environ.get(PASSPHRASE, ""))


def _beside(folder: Path, what: str) -> Path:
    absolute = folder.absolute()
    return absolute.with_name(f"{absolute.name}-{what}")


def _life(text: str) -> timedelta:
    from beeyard.domain.values import duration

    try:
        seconds, expected = float(duration(text)), "1h to 3650d, which are ten years"
    except ValueError as error:
        seconds, expected = 0.0, str(error)
    if not SHORTEST.total_seconds() <= seconds <= LONGEST.total_seconds():
        hint = "readers refuse what is older; publish before that, even if nothing has changed"
        raise Invalid("usage", "--lasts {given}: expected {expected}", given=text, expected=expected, hint=hint)
    return timedelta(seconds=int(seconds))


def _tell(done: "Done", as_json: bool) -> None:
    if as_json:
        import msgspec

        from beeyard.entrypoints.cli.asking import show_json

        show_json(msgspec.json.encode(done))
        return
    from beeyard.entrypoints.cli.screen import say, show

    for sentence in done.did:
        show(sentence)
    say(f"next: {done.next}")
