"""`beeyard package lock`: the worker file read, a master asked which builds to take, the lock file written."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from beeyard.application.operations.package_lock import PackageLock, Runs
from beeyard.domain.errors import Unavailable
from beeyard.domain.locked import Lock, Locked
from beeyard.domain.packages import version
from beeyard.entrypoints.cli import local
from beeyard.entrypoints.cli.asking import show_json
from beeyard.entrypoints.cli.screen import say, show
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.settings import lock_file


class Change(Struct, frozen=True):
    """Builds of one package on one platform: what the lock had, and what it has. `same`: what the files are, and only
    what is said of them changes."""

    name: str
    platform: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    same: bool = False

    def __str__(self) -> str:
        had, has = " and ".join(self.before), " and ".join(self.after)
        if not had or not has:
            return f"{self.name}: {f'{has} added' if has else f'{had} removed'}"
        if had != has:
            return f"{self.name}: {had} -> {has}"
        return f"{self.name}: {has}, {'the same build' if self.same else 'another build of it'}"


def lock(target: Target, file: str | None, update: Sequence[str], *, update_all: bool, as_json: bool) -> None:
    """Write the lock file, and say what changed.

    Raises:
        Unavailable: `lock_unwritable`; no master runs, or a repository does not answer.
        Refused, NotFound, Untrusted, Invalid: as the worker file, the lock file and the master say.
    """
    loaded = local.load(file)
    packages = loaded.master.packages
    workers = [Runs(spec.id, spec.package) for spec in loaded.workers if spec.package]
    chosen: Lock = target.client().ask(PackageLock(workers, packages, list(update), update_all))
    path, changes = lock_file.beside(loaded.path), list(_changes(packages.locked, chosen))
    if changes:
        try:
            lock_file.save(path, chosen)
        except OSError as error:
            text = "{file} can't be written: {reason}"
            raise Unavailable("lock_unwritable", text, file=path, reason=error.strerror) from None
    if as_json:
        show_json(msgspec.json.encode({"file": path, "changes": changes, "packages": chosen.packages}))
        return
    for change in changes:
        show(str(change))
    rest = "written; `beeyard up` or `reload` makes it count" if changes else "nothing changes"
    count = len(chosen.packages)
    say(f"{path}: {count} build{'' if count == 1 else 's'}; {rest}")


def _changes(old: Lock, new: Lock) -> Iterator[Change]:
    for name, platform in sorted({(one.name, one.platform) for one in (*old.packages, *new.packages)}):
        before, after = (_builds(lock, name, platform) for lock in (old, new))
        if before != after:
            same = [one.digest for one in before] == [one.digest for one in after]
            yield Change(name, platform, _versions(before), _versions(after), same)


def _builds(lock: Lock, name: str, platform: str) -> list[Locked]:
    found = [one for one in lock.packages if (one.name, one.platform) == (name, platform)]
    return sorted(found, key=lambda one: version(one.version))


def _versions(builds: list[Locked]) -> tuple[str, ...]:
    return tuple(f"{one.version} ({', '.join(one.channels)})" if one.channels else one.version for one in builds)
