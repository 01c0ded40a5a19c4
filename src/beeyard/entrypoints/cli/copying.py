"""Copies of repositories, made here and without a master: options in, what was done out."""

import asyncio
import shutil
from pathlib import Path

from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.repositories.bundles import SUFFIX, write
from beeyard.adapters.repositories.copying import STATE, Choice, Copy
from beeyard.adapters.repositories.publishing import Done, files
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import Invalid, NotFound
from beeyard.domain.sources import Credentials
from beeyard.domain.values import human_memory
from beeyard.entrypoints.cli.screen import say


def mirror(source: str, folder: Path, root: Path, choice: Choice, netrc: Path | None) -> Done:
    """Raises NotFound, Invalid, Unavailable, Untrusted, Rejected, Refused."""
    return Done(_copied(source, folder, root, choice, netrc), f"the same again before then; serve {folder}")


def bundle(source: str, output: Path, root: Path, choice: Choice, netrc: Path | None) -> Done:
    """Raises the same."""
    if output.suffix != SUFFIX:
        hint = f"-o {output.with_suffix(SUFFIX)}"
        raise Invalid("usage", "{given}: the name of a bundle ends in {suffix}", given=output, suffix=SUFFIX, hint=hint)
    folder = output.absolute().parent
    with files.told(output), files.alone(folder):
        place = folder / f".{output.name}.copy"
        _gone(place)  # It is of one that was killed.
        try:
            did = _copied(source, place, root, choice, netrc)
            size = write(place, output)
        finally:
            _gone(place)
    did.append(f"made {output}: {human_memory(size)}")
    return Done(did, f"a host has `path: {output.name}` in a repository of its worker file, with the same `root`")


def _gone(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)


def _copied(source: str, folder: Path, root: Path, choice: Choice, netrc: Path | None) -> list[str]:
    state = folder / STATE
    shown = Credentials(netrc=str(netrc) if netrc else "")
    repository = TufRepository(source, source, _root(root), state, credentials=shown)
    return asyncio.run(Copy(repository, folder, FolderFetcher(state / "dl"), choice, say).run())


def _root(file: Path) -> bytes:
    """Raises NotFound."""
    try:
        return file.read_bytes()
    except OSError as error:
        text, hint = "{file} can't be read: {reason}", "the 1.root.json of the repository's owner"
        raise NotFound("no_such_file", text, file=str(file), reason=error.strerror, hint=hint) from None
