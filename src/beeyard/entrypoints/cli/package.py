"""`beeyard package build`, which needs no master: it reads options and prints what was made."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from beeyard.entrypoints.cli.building import Built, BuiltImage

MOST = 5
"""Names that are told of all that was left out."""

_FOLDER = click.Path(file_okay=False, path_type=str)


@click.command("build", short_help="Make a package from a folder")
@click.argument("folder", type=_FOLDER)
@click.option("-o", "--output", type=_FOLDER, default=".", metavar="OUT", help="Write it there.  [default: here]")
@click.option("--platform", metavar="P", help="What it runs on, such as linux-x86_64.  [default: the file's, or any]")
@click.option("--oci", is_flag=True, help="Make an image of it, one file that registries and Docker take.")
@click.option("--allow-network", is_flag=True, help="Let what `build:` runs reach the network, if it asks for that.")
@click.option("--builder", metavar="URI", help="Who makes it, for the provenance: of a pipeline, say.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; errors as well.")
def build(
    folder: str,
    output: str,
    platform: str | None,
    oci: bool,
    allow_network: bool,
    builder: str | None,
    as_json: bool,
) -> None:
    """Make a package from FOLDER, which has a package.yaml; .git, __pycache__ and what
    .packageignore says, a pattern a line as in .gitignore, are left out.

    Writes NAME-VERSION-PLATFORM.tar.zst with the files, and NAME-VERSION-PLATFORM.json, which describes them and is
    what a repository signs. The same files make the same bytes: times, owners and the order of folders do not count.
    Beside them lie an SBOM, .cdx.json, and a statement of its provenance, .intoto.jsonl.

    A command that the package file names under `build:` runs before, in a copy of FOLDER and without any network.

    With --oci it writes NAME-VERSION-PLATFORM.oci.tar instead, an image layout that holds nothing but these files; no
    Docker is needed for that.
    """
    from beeyard.adapters.archives.ignoring import NAME
    from beeyard.entrypoints.cli.building import Making, build_image
    from beeyard.entrypoints.cli.building import build as made
    from beeyard.entrypoints.cli.screen import colours, say, show

    making = Making(builder, allow_network) if builder else Making(allow_network=allow_network)
    built, prepared = (build_image if oci else made)(folder, output, platform, making)
    found, held = prepared.found, prepared.place.held
    if as_json:
        import msgspec

        from beeyard.entrypoints.cli.asking import show_json

        show_json(msgspec.json.encode(built))
    else:
        show("\n".join(_row(name, text, colours(sys.stdout)) for name, text in _rows(built)))
    apart = held is None or held.alone or held.landlock
    if held is not None and not (held.offline and apart):
        lacks = [*([] if held.offline else ["the network"]), *([] if apart else ["other files"])]
        say(f"what it ran was not kept from {' and '.join(lacks)}")
    if held is not None and "memory" not in held.together:
        say("what it ran was bounded in memory by each process, not all of it together: that takes a control group")
    if found.empty:
        say(f"left out, for a package holds no empty folders: {', '.join(found.empty)}")
    if without := [name for name in found.ignored if name != NAME]:
        more = f" and {len(without) - MOST} more" if len(without) > MOST else ""
        say(f"left out, as {NAME} says: {', '.join(without[:MOST])}{more}")


def _rows(built: "Built | BuiltImage") -> Iterator[tuple[str, str]]:
    from beeyard.domain.values import human_memory
    from beeyard.entrypoints.cli.building import BuiltImage

    yield "package", f"{built.name} {built.version} ({built.platform})"
    yield "files", f"{built.files}, {human_memory(built.size)}; packed {human_memory(built.packed)}"
    yield "digest", built.digest
    if isinstance(built, BuiltImage):
        yield "image", built.image
    else:
        yield "payload", built.payload
        yield "described", built.description
        yield "sbom", built.sbom
        yield "provenance", built.provenance


def _row(name: str, text: str, colour: bool) -> str:
    from beeyard.entrypoints.cli.screen import DIM, painted

    return f"{painted(f'{name:<10}', DIM) if colour else f'{name:<10}'} {text}"
