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
_signed = click.option("--sign", "signed", is_flag=True, help="Make it visible at once, as `publish` does.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def repo() -> click.Group:
    """Make a repository of packages that its readers can verify.

    Keys are encrypted where BEEYARD_REPO_PASSPHRASE holds a passphrase; the key of a role may stand in the variable
    BEEYARD_REPO_KEY_ROLE instead of a file. What is changed becomes visible with `publish`, or at once by --sign. Who
    comes while somebody else works on the repository waits up to a minute.
    """
    commands = (_init, _add, _promote, _yank, _sign, _publish, _mirror, _bundle)
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
@click.option(
    "--deltas", type=click.IntRange(0, 5), default=2, metavar="N", help="From so many versions.  [default: 2]"
)
@_keys
@_signed
@_json
def _add(
    folder: Path, builds: tuple[Path, ...], origin: str, deltas: int, keys: Path | None, signed: bool, as_json: bool
) -> None:
    """Put builds of `beeyard package build` under an origin: all of them, or none.

    From the versions before it a delta leads to each build, where that is at most half of all: who has one of them
    brings no more than that.
    """
    from beeyard.adapters.repositories.publishing import add

    workshop = _workshop(folder, keys)
    _tell(_visible(workshop, add(workshop, builds, origin, deltas), signed), as_json)


@click.command("promote", short_help="Let a channel point to a version")
@_folder
@click.argument("package", metavar="NAME:VERSION")
@click.argument("channel")
@_keys
@_signed
@_json
def _promote(folder: Path, package: str, channel: str, keys: Path | None, signed: bool, as_json: bool) -> None:
    """Let a channel point to a version, a newer or an older one."""
    from beeyard.adapters.repositories.publishing import promote

    workshop = _workshop(folder, keys)
    _tell(_visible(workshop, promote(workshop, package, channel), signed), as_json)


@click.command("yank", short_help="Take a version back")
@_folder
@click.argument("package", metavar="NAME:VERSION")
@click.option("--reason", required=True, metavar="TEXT", help="What is wrong with it.")
@_keys
@_signed
@_json
def _yank(folder: Path, package: str, reason: str, keys: Path | None, signed: bool, as_json: bool) -> None:
    """Take a version back: nobody gets it who does not name it."""
    from beeyard.adapters.repositories.publishing import yank

    workshop = _workshop(folder, keys)
    _tell(_visible(workshop, yank(workshop, package, reason), signed), as_json)


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


def _visible(workshop: "Workshop", done: "Done", signed: bool) -> "Done":
    """What was done, and made visible if that is asked for. What others do meanwhile becomes visible with it."""
    if not signed:
        return done
    from beeyard.adapters.repositories.publishing import Done, publish

    published = publish(workshop)
    return Done([*done.did, *published.did], published.next)


@click.command("mirror", short_help="Copy a repository, or a part of it")
@click.argument("source")
@_folder
@click.option("--root", type=FILE, required=True, metavar="FILE", help="The root that is trusted at first.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Packages: caddy, 'dev-*', 'caddy:>=2'.  [all]")
@click.option("--platform", "platforms", multiple=True, metavar="P", help="For these, such as linux-x86_64.  [all]")
@click.option("--keep", type=click.IntRange(0), default=0, metavar="N", help="The newest versions of each.  [all]")
@click.option("--needs", is_flag=True, help="And what they need.")
@click.option("--netrc", type=FILE, metavar="FILE", help="With name and password for SOURCE.")
@_json
def _mirror(
    source: str,
    folder: Path,
    root: Path,
    names: tuple[str, ...],
    platforms: tuple[str, ...],
    keep: int,
    needs: bool,
    netrc: Path | None,
    as_json: bool,
) -> None:
    """Copy a repository, a folder or a URL, into a folder that any web server can serve: all of it, or what is named.

    Everything is verified; what is there is not brought again. Do it again before it expires. Readers name the copy
    under `mirrors:`, and trust it no more than its signatures.
    """
    from beeyard.adapters.repositories.copying import Choice
    from beeyard.entrypoints.cli.copying import mirror

    _tell(mirror(source, folder, root, Choice(names or ("*",), platforms, keep, needs), netrc), as_json)


@click.command("bundle", short_help="Put packages into one file, for hosts without a network")
@click.argument("source")
@click.argument("packages", metavar="NAME[:RANGE]...", nargs=-1, required=True)
@click.option("-o", "--output", type=FILE, required=True, metavar="FILE", help="Write it there: NAME.bundle.")
@click.option("--root", type=FILE, required=True, metavar="FILE", help="The root that is trusted at first.")
@click.option("--platform", "platforms", multiple=True, metavar="P", help="For these, such as linux-x86_64.  [all]")
@click.option("--keep", type=click.IntRange(1), default=1, metavar="N", help="The newest versions of each.  [1]")
@click.option("--netrc", type=FILE, metavar="FILE", help="With name and password for SOURCE.")
@_json
def _bundle(
    source: str,
    packages: tuple[str, ...],
    output: Path,
    root: Path,
    platforms: tuple[str, ...],
    keep: int,
    netrc: Path | None,
    as_json: bool,
) -> None:
    """Put packages of a repository, and what they need, into one file. A host takes it as the `path` of a repository,
    with the same `root`: it believes the file no more than its signatures, and until these are out of date.
    """
    from beeyard.adapters.repositories.copying import Choice
    from beeyard.entrypoints.cli.copying import bundle

    _tell(bundle(source, output, root, Choice(packages, platforms, keep, needs=True), netrc), as_json)


def _workshop(folder: Path, keys: Path | None) -> "Workshop":
    from beeyard.adapters.repositories.publishing import Workshop

    key_folder = keys or _beside(folder, "keys")
    if key_folder.absolute().is_relative_to(folder.absolute()):
        text, hint = "{keys} lies in the repository, which everybody reads", "name another folder: --keys"
        raise Invalid("keys_public", text, keys=str(key_folder), hint=hint)
    return Workshop(folder, key_folder, os.environ.get(PASSPHRASE, ""), given=os.environ)


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
