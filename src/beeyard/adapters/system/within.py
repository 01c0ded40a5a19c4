"""Packages that are installed in the system itself, and that a worker wanted: noted in a file, for the system's own
records don't say from which repository a package came.

What the system has counts, not the note: who upgrades a package by hand changes what its workers are started from.
Runs no tool by itself.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from beeyard.adapters.package_store.disk import write
from beeyard.adapters.system.build import Build, Present, Tool
from beeyard.domain.errors import NotFound, Refused, Unavailable, Untrusted
from beeyard.domain.packages import Trust
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_manager import Installed, Tell
from beeyard.ports.package_store import Damage, Depth


class Note(Struct, frozen=True):
    """`ours`: it was not there before. `theirs`: the version that came, as its distribution calls it, empty before any
    did; `begun`: the one that is being installed, or was when that was cut off."""

    theirs: str
    repository: str
    trust: Trust
    installed_at: float
    size: int
    ours: bool
    held: str = ""
    begun: str = ""


class Within:
    """Of one manager. `file`: where it notes."""

    def __init__(self, manager: str, file: Path, tool: Tool) -> None:
        self._manager = manager
        self._file = file
        self._tool = tool
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def has(self, installed: Installed) -> bool:
        """Whether it is one of the system's."""
        return installed.path == self._tool.system

    def digest(self, name: str, theirs: str) -> str:
        """The system's records know no digest of a package file."""
        return hashlib.sha256(f"{self._manager} {name} {theirs}".encode()).hexdigest()

    async def facts(self) -> list[Installed]:
        """Those that are noted and still there; not one whose install was cut off."""
        found: list[Installed] = []
        for name, note in sorted(self._notes().items()):
            present = await self._tool.present(name)
            if present is not None and present.theirs != note.begun:
                found.append(self._installed(present, note))
        return found

    async def install(self, spec: RepositorySpec, folder: Path, build: Build, trust: Trust, tell: Tell) -> Installed:
        """Also where it is there already. Raises Refused when that would touch a package that nobody named."""
        async with self._turns[build.name]:
            return await self._install(spec, folder, build, trust, tell)

    async def _install(self, spec: RepositorySpec, folder: Path, build: Build, trust: Trust, tell: Tell) -> Installed:
        present = await self._tool.present(build.name)
        known = self._notes().get(build.name)
        cut = known is not None and bool(known.begun)
        done = Note(build.theirs, spec.name, trust, time.time(), build.size, ours=present is None or _ours(known))
        if present is None or present.theirs != build.theirs or cut:
            await self._check(spec, folder, build, present)
            before = known or replace(done, theirs="")
            self._note(build.name, replace(before, ours=done.ours, begun=build.theirs))
            try:
                await self._tool.install(spec, folder, build, tell, cut=cut)
            except (Unavailable, Untrusted, Refused):  # It did not get as far as to change anything.
                self._note(build.name, known and self._held(build.name, known))
                raise
            tell(build.size)
        elif known is not None and (known.theirs, known.trust) == (build.theirs, trust):
            done = known
        done = self._held(build.name, done)
        self._note(build.name, done)
        if (present := await self._tool.present(build.name)) is None:
            text = "{package} was installed and is not there"
            raise NotFound("package_not_installed", text, package=f"{build.name} {build.version}")
        return self._installed(present, done)

    async def check(self, installed: Installed) -> None:
        """Raises NotFound when the system has another version by now, or none."""
        present = await self._tool.present(installed.manifest.name)
        if present is None or self.digest(installed.manifest.name, present.theirs) != installed.digest:
            text = "{package} is not installed any more"
            raise NotFound("package_not_installed", text, package=str(installed))

    def use(self, installed: Installed, owner: str) -> None:
        """Keeps it from being removed by us; from others nothing does."""
        self._owners[installed.manifest.name].add(owner)

    def disuse(self, installed: Installed, owner: str) -> None:
        self._owners[installed.manifest.name].discard(owner)

    def hold(self, installed: Installed, why: str) -> Installed:
        name = installed.manifest.name
        if (note := self._notes().get(name)) is None:
            raise NotFound("package_not_installed", "{package} is not installed any more", package=str(installed))
        self._note(name, replace(note, held=why))
        return replace(installed, held=why)

    async def verify(self, installed: Installed, depth: Depth) -> list[Damage]:
        """As the tool has it: at any depth but the first by digests."""
        await self.check(installed)
        return [] if depth == "receipt" else await self._tool.damage(installed.manifest.name)

    async def remove(self, installed: Installed) -> None:
        """What was there before stays in the system, and is only forgotten here."""
        name = installed.manifest.name
        async with self._turns[name]:
            if owners := sorted(self._owners[name]):
                text, hint = "{package} is used by {owners}", "stop or remove what uses it"
                raise Refused("package_in_use", text, hint=hint, package=str(installed), owners=", ".join(owners))
            if _ours(self._notes().get(name)):
                await self._tool.remove(name)
            self._note(name, None)

    async def _check(self, spec: RepositorySpec, folder: Path, build: Build, present: Present | None) -> None:
        named = f"{build.name} {build.version}"
        if present is not None and present.held:
            text, hint = "{package} is held at {version} on this host", "take that hold away, or ask for that version"
            raise Refused("system_held", text, hint=hint, package=build.name, version=present.manifest.version)
        change = await self._tool.change(spec, folder, build)
        touched = [*(f"remove {one}" for one in change.removed)]
        touched += [f"change {one}" for one in change.changed if one != build.name]
        if touched:
            text, hint = "{package} would {touched}", "do that by hand first, or write `unpacked: true`"
            raise Refused("system_touches", text, hint=hint, package=named, touched=", ".join(touched))

    def _installed(self, present: Present, note: Note) -> Installed:
        same = present.theirs == note.theirs
        return Installed(
            manifest=present.manifest,
            digest=self.digest(present.manifest.name, present.theirs),
            path=self._tool.system,
            manager=self._manager,
            repository=note.repository,
            trust=note.trust if same else "none",
            size=present.size,
            installed_at=note.installed_at,
            held=note.held,
            packed=note.size,
        )

    def _notes(self) -> dict[str, Note]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Note])
        except FileNotFoundError:
            return {}

    def _held(self, name: str, note: Note) -> Note:
        """With the wish that it stays as it is by now: somebody may have said so while a tool worked."""
        now = self._notes().get(name)
        return note if now is None else replace(note, held=now.held)

    def _note(self, name: str, note: Note | None) -> None:
        """None: nothing of it."""
        notes = {**self._notes(), name: note}
        write(self._file, msgspec.json.encode({one: said for one, said in notes.items() if said is not None}))


def _ours(note: Note | None) -> bool:
    """Also what was begun by us and came, though nobody lived to note that."""
    return note is not None and note.ours
