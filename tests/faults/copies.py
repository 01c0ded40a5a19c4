"""Makes a copy of a repository and is killed at the n-th step of it, or finds the disk full from then on.

A step is every call that changes something on the disk. What was there before is a copy of an older state; what is
found wrong is printed, a line each, then `steps N`, and in the end the codes of the errors that were told.

    python copies.py killed mirror|bundle FOLDER
    python copies.py full mirror|bundle FOLDER
"""

import asyncio
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from beeyard.adapters.repositories.copying import Choice
from beeyard.adapters.repositories.tuf import TufRepository
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.cli.copying import bundle, mirror
from tests.disks import fill
from tests.faults.whole import CALLS
from tests.repositories import Yard

OLD, NEW = ["1.0"], ["1.0", "2.0"]


class Copies:
    """A repository that has two versions by now, and where copies of it are made."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._yard = Yard(folder / "owner").published(("caddy", "1.0"))
        self._root = self._yard.folder / "metadata" / "1.root.json"
        self._kind = kind
        self.place = folder / "place"
        self.place.mkdir()
        self._copy = self.place / ("some.bundle" if kind == "bundle" else "copy")
        self.make()
        self._before = folder / "before"
        shutil.copytree(self.place, self._before)
        self._yard.published(("caddy", "2.0"))

    def make(self) -> None:
        """What the command does."""
        source, choice = str(self._yard.folder), Choice(("caddy",), keep=9, needs=True)
        if self._kind == "bundle":
            bundle(source, self._copy, self._root, choice, None)
        else:
            mirror(source, self._copy, self._root, choice, None)

    def prepare(self) -> None:
        """As it was before."""
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._before, self.place, dirs_exist_ok=True)

    def wrong(self, *states: list[str]) -> Iterator[str]:
        """Whoever reads the copy finds one of these states, and every file of it as it was signed."""
        try:
            found = asyncio.run(self._read())
        except BeeyardError as error:
            yield f"it can't be read: {error}"
        else:
            if found not in states:
                yield f"it has {found}"

    async def _read(self) -> list[str]:
        from beeyard.adapters.fetcher import FolderFetcher

        cache = self.place.with_name("reader")
        shutil.rmtree(cache, ignore_errors=True)
        reader = TufRepository("hive", str(self._copy), self._root.read_bytes(), cache / "trust")
        await reader.refresh()
        versions = []
        for offer in await reader.offers("caddy"):
            payload = (await reader.describe(offer)).payload
            (source,) = reader.sources(payload)
            await FolderFetcher(cache / "dl").fetch(source, payload.size, payload.sha256, lambda _: None)
            versions.append(offer.version)
        return sorted(versions)

    def left(self) -> Iterator[str]:
        """What is not there when a copy was made to its end."""
        for path in self.place.rglob("*"):
            if path.name.startswith((".new-", ".some")) or path.suffix == ".part":
                yield f"{path.name} is left"


def _run(copies: Copies, fatal: int, deed: Callable[[], None]) -> tuple[bool, str]:
    """One process that comes to this step or to its end; whether it came to the step, and the code that it told."""
    told, tell = os.pipe()
    if not (pid := os.fork()):
        count = itertools.count(1)
        write = os.write

        def halting(call: Callable[..., Any]) -> Callable[..., Any]:
            def halt(*args: Any, **kwargs: Any) -> Any:
                if next(count) == fatal:
                    write(tell, b"halted ")
                    deed()
                return call(*args, **kwargs)

            return halt

        for name in CALLS:
            setattr(os, name, halting(getattr(os, name)))
        try:
            copies.make()
        except BeeyardError as error:
            write(tell, error.code.encode())
        except BaseException as error:
            write(tell, repr(error).encode())
        os._exit(0)
    os.close(tell)
    os.waitpid(pid, 0)
    with open(told, "rb") as file:
        said = file.read().decode()
    return said.startswith("halted"), said.removeprefix("halted ")


def main(what: str, kind: str, folder: Path) -> None:
    """At each step in turn."""
    copies, codes = Copies(folder, kind), set[str]()
    filler = copies.place / "filler"
    deed = (lambda: os.kill(os.getpid(), signal.SIGKILL)) if what == "killed" else (lambda: fill(filler))
    for fatal in itertools.count(1):
        copies.prepare()
        halted, code = _run(copies, fatal, deed)
        filler.unlink(missing_ok=True)
        codes.add(code)
        for wrong in copies.wrong(OLD, NEW):
            print(f"step {fatal}: {wrong}")
        copies.make()
        for wrong in (*copies.wrong(NEW), *copies.left()):
            print(f"step {fatal}, made again: {wrong}")
        if not halted:
            break
    print("steps", fatal - 1)
    print(*sorted(codes - {""}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
