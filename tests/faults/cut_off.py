"""Does one thing to a package store and is killed at the n-th step of it; or does it several times at once.

A step is every call that changes something on the disk or puts it there. Nothing in the product knows of them. Begun
anew for every step this would take minutes, so one process forks a child for each, looks at what it left, lets a
recovery and another try follow, and looks again. What it finds wrong it prints, a line each, then `steps N`.

    python cut_off.py steps SCENARIO FOLDER     each step in turn
    python cut_off.py times SCENARIO FOLDER     at random moments
    python cut_off.py once SCENARIO FOLDER      nobody is killed: for who watches
    python cut_off.py ready SCENARIO FOLDER     what comes before `once`
    python cut_off.py race FOLDER               four processes install one package, fifteen times
"""

import asyncio
import hashlib
import itertools
import os
import random
import shutil
import signal
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from beeyard.adapters.package_store import FolderStore, disk
from beeyard.domain.packages import Description, Receipt
from tests.packing import a_package, unpack

CHANGES = ("write", "fsync", "rename", "mkdir", "unlink", "rmdir", "chmod", "symlink")
MOMENTS, PROCESSES, ROUNDS = 10, 4, 15


class Yard:
    """One store, its packages, and what it should look like."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "packages"
        self.known = {version: a_package(folder, version) for version in ("1.0", "2.0", "3.0")}
        self.known["big"] = a_package(folder, "4.0", {f"f{n}": b"x" for n in range(disk.MANY + 1)})

    def open(self) -> FolderStore:
        return FolderStore(self.root, unpack, grace=-1.0)

    async def install(self, version: str) -> None:
        description, payload = self.known[version]
        store = self.open()
        async with store.locked("caddy"):
            await store.install(description, payload, "main", "tuf")

    async def repair(self) -> None:
        store = self.open()
        async with store.locked("caddy"):
            await store.repair(self.receipt("1.0"), self.known["1.0"][1])

    async def hold(self) -> None:
        store = self.open()
        async with store.locked("caddy"):
            await store.hold(self.receipt("1.0"), "asked for")

    async def remove(self) -> None:
        if self.open().find("caddy", "2.0"):
            await self.forget("2.0")

    async def forget(self, version: str) -> None:
        store = self.open()
        async with store.locked("caddy"):
            await store.remove(self.receipt(version))

    async def collect(self) -> None:
        store = self.open()
        await store.collect(frozenset({self.known["1.0"][0].digest}), keep=1, dry_run=False)

    async def recover(self) -> None:
        self.open().recover()

    def receipt(self, version: str) -> Receipt:
        found = self.open().find("caddy", version)
        assert found is not None, version
        return found

    def entry(self, version: str) -> Path:
        description = self.known[version][0]
        return self.root / "store" / "caddy" / description.folder

    def damage(self) -> None:
        """Change a file and lose another."""
        entry = self.entry("1.0")
        (entry / "README").chmod(0o644)
        (entry / "README").write_bytes(b"READ ME\n")
        (entry / "README").chmod(0o444)
        (entry / "share").chmod(0o755)
        (entry / "share/empty").unlink()
        (entry / "share").chmod(0o555)

    def mess(self) -> None:
        """All that those who were killed may leave, and some that they can't."""
        root = self.root
        shutil.copytree(self.entry("1.0"), root / "staging/0123", symlinks=True)
        (root / "staging/0123/share").chmod(0o555)
        (root / "staging/file").write_bytes(b"")
        shutil.copytree(self.entry("1.0"), self.entry("3.0"), symlinks=True)
        shutil.copytree(self.entry("1.0"), self.entry("1.0").with_name(".4567"), symlinks=True)
        (root / "store/empty").mkdir()
        (root / "store/file").write_bytes(b"")
        (root / "store/caddy/link").symlink_to(self.entry("1.0"))
        shutil.copytree(self.entry("1.0"), root / "trash/89ab", symlinks=True)
        (root / "trash/cdef").symlink_to("/")
        (root / "receipts/.half.json.new").write_bytes(b"{")
        (root / f"receipts/{'0' * 64}.json").write_bytes(b"{")
        (root / "roots/4194305.json").write_bytes(b'{"start":1,"uses":[]}')

    def wrong(self, scenario: str) -> Iterator[str]:
        """What must hold at every moment, whoever was killed, and does not."""
        store = self.open()
        versions = {receipt.description.manifest.version for receipt in store.receipts()}
        for receipt in store.receipts():
            version = receipt.description.manifest.version
            damaged = scenario == "repair" and version == "1.0"
            found = _contents(self.entry(_key(version)))
            if found != _described(receipt.description) and not (damaged and found == self.before):
                yield f"{version} has a receipt and is not whole"
        if scenario in ("first", "many"):
            return
        if "1.0" not in versions:
            yield "1.0 is gone"
        if scenario != "repair" and _identity(self.entry("1.0")) != self.identity:
            yield "1.0 was touched"

    def left(self) -> Iterator[str]:
        """What has to be swept, and was not."""
        store = self.open()
        entries = {Path(store.path(receipt)) for receipt in store.receipts()}
        for folder in ("staging", "trash", "roots"):
            yield from (f"{folder} is not empty: {name}" for name in os.listdir(self.root / folder))
        if {path for home in (self.root / "store").iterdir() for path in home.iterdir()} != entries:
            yield "the folders are not those of the receipts"
        if len(os.listdir(self.root / "receipts")) != len(entries):
            yield "there are other files beside the receipts"

    def prepare(self, scenario: str) -> None:
        """A store as it is before this scenario; made once, and copied from then on."""
        disk.delete(self.root)
        template = self.folder / f"template-{scenario}"
        if not template.exists():
            self._make(scenario)
            os.rename(self.root, template)
        shutil.copytree(template, self.root, symlinks=True)
        self.before = _contents(self.entry("1.0"))
        self.identity = _identity(self.entry("1.0"))

    def _make(self, scenario: str) -> None:
        before = {"first": "", "install": "1", "orphan": "1", "many": "", "repair": "1", "hold": "1"}
        for version in before.get(scenario, "123"):
            asyncio.run(self.install(f"{version}.0"))
        if scenario == "orphan":
            shutil.copytree(self.entry("1.0"), self.entry("3.0"), symlinks=True)
        if scenario == "repair":
            self.damage()
        self.open()
        if scenario == "recover":
            asyncio.run(self.forget("3.0"))
            self.mess()

    def done(self, scenario: str) -> Iterator[str]:
        """What the scenario was for, and did not come about."""
        versions = {receipt.description.manifest.version for receipt in self.open().receipts()}
        meant = {
            "first": {"3.0"},
            "install": {"1.0", "3.0"},
            "orphan": {"1.0", "3.0"},
            "many": {"4.0"},
            "repair": {"1.0"},
            "hold": {"1.0"},
            "remove": {"1.0", "3.0"},
            "collect": {"1.0", "3.0"},
            "recover": {"1.0", "2.0"},
        }[scenario]
        if versions != meant:
            yield f"installed are {sorted(versions)}"
        if scenario == "hold" and self.receipt("1.0").held != "asked for":
            yield "1.0 is not held"
        for version in meant:
            if _contents(self.entry(_key(version))) != _described(self.known[_key(version)][0]):
                yield f"{version} is not whole"

    def act(self, scenario: str) -> Callable[[], Awaitable[None]]:
        """What is cut off."""
        return {
            "first": lambda: self.install("3.0"),
            "install": lambda: self.install("3.0"),
            "orphan": lambda: self.install("3.0"),
            "many": lambda: self.install("big"),
            "repair": self.repair,
            "hold": self.hold,
            "remove": self.remove,
            "collect": self.collect,
            "recover": self.recover,
        }[scenario]


def steps(scenario: str, folder: Path) -> None:
    """Kill a child before its first step, its second, and so on, until one comes to its end."""
    yard = Yard(folder)
    for fatal in itertools.count(1):
        yard.prepare(scenario)
        killed = _run(yard, scenario, fatal)
        check(yard, scenario, f"killed at step {fatal}")
        if not killed:
            print("steps", fatal - 1)
            return


def times(scenario: str, folder: Path) -> None:
    """Kill children at random moments of the time that a whole one takes."""
    yard = Yard(folder)
    yard.prepare(scenario)
    began = time.monotonic()
    _run(yard, scenario, 0)
    whole = time.monotonic() - began
    chance = random.Random(scenario)
    killed = 0
    while killed < MOMENTS:
        yard.prepare(scenario)
        after = chance.uniform(0, whole)
        if _run(yard, scenario, 0, after=after):
            killed += 1
            check(yard, scenario, f"killed after {after} s")
        else:
            whole *= 0.9
    print("steps", killed)


def check(yard: Yard, scenario: str, when: str) -> None:
    """What was left; what a recovery leaves; what another try brings, and leaves."""
    for wrong in yard.wrong(scenario):
        print(f"{when}: {wrong}")
    yard.open().recover()
    for wrong in (*yard.wrong(scenario), *yard.left()):
        print(f"{when}, recovered: {wrong}")
    end = time.monotonic() + 30.0
    while True:
        try:
            asyncio.run(_again(yard, scenario))
            break
        except Exception as error:
            # What the killed one had started, apt-get say, may live on for a moment, and hold its lock.
            if "get lock" not in str(error) or time.monotonic() > end:
                print(f"{when}, tried again: {error!r}")
                return
            time.sleep(0.1)
    for wrong in (*yard.wrong(scenario), *yard.left(), *yard.done(scenario)):
        print(f"{when}, tried again: {wrong}")


def ready(scenario: str, folder: Path) -> None:
    """What comes before `once`, which nobody watches."""
    Yard(folder).prepare(scenario)


def once(scenario: str, folder: Path) -> None:
    """All of it, from start to end."""
    asyncio.run(_again(Yard(folder), scenario))


def race(folder: Path) -> None:
    """Several at once, each with a store of its own; every one must have it in the end."""
    yard = Yard(folder)
    for number in range(ROUNDS):
        disk.delete(yard.root)
        begin, ready = os.pipe()
        pids = []
        for _ in range(PROCESSES):
            if not (pid := os.fork()):
                os.close(ready)
                os.read(begin, 1)  # until all are there
                _end(yard.install("1.0"))
            pids.append(pid)
        os.close(begin)
        os.close(ready)
        if any(os.waitpid(pid, 0)[1] for pid in pids):
            print(f"round {number}: a process failed")
        if _contents(yard.entry("1.0")) != _described(yard.known["1.0"][0]):
            print(f"round {number}: it is not whole")
        for wrong in yard.left():
            print(f"round {number}: {wrong}")
    print("steps", ROUNDS)


def _run(yard: Yard, scenario: str, fatal: int, after: float | None = None) -> bool:
    """Whether the child was killed."""
    if not (pid := os.fork()):
        _count(fatal)
        _end(_again(yard, scenario))
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if not os.WIFSIGNALED(status) and status != 0:
        print(f"the child failed: {status}")
    return os.WIFSIGNALED(status)


async def _again(yard: Yard, scenario: str) -> None:
    await yard.act(scenario)()


def _end(work: Awaitable[None]) -> None:
    """The child's only way out."""
    try:
        asyncio.run(_waiting(work))
    except BaseException as error:
        print(f"in the child: {error!r}", flush=True)
        os._exit(1)
    os._exit(0)


async def _waiting(work: Awaitable[None]) -> None:
    await work


def _count(fatal: int) -> None:
    """Die before the step with this number."""
    taken = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counting

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))
    disk._renameat2 = counted(disk._renameat2)
    disk._syncfs = counted(disk._syncfs)


def _contents(folder: Path) -> dict[str, tuple[str, str]]:
    """What lies there, by our own looking: kind and mode, and what is in it."""
    return {
        str(path.relative_to(folder)): (
            stat.filemode(path.lstat().st_mode),
            os.readlink(path)
            if path.is_symlink()
            else hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "",
        )
        for path in (folder, *folder.rglob("*"))
        if path.exists() or path.is_symlink()
    }


def _described(description: Description) -> dict[str, tuple[str, str]]:
    """The same, as it should be."""
    found = {".": ("dr-xr-xr-x", "")}
    for entry in description.files:
        for parent in Path(entry.path).parents:
            found[str(parent)] = ("dr-xr-xr-x", "")
        mode = "lrwxrwxrwx" if entry.link else "-r-xr-xr-x" if entry.executable else "-r--r--r--"
        found[entry.path] = (mode, entry.link or entry.sha256)
    return found


def _identity(folder: Path) -> list[tuple[str, int, int]]:
    """Changes when anything is written there, or put in its place."""
    paths = sorted((folder, *folder.rglob("*"))) if folder.exists() else []
    return [(str(path), path.lstat().st_ino, path.lstat().st_ctime_ns) for path in paths]


def _key(version: str) -> str:
    return "big" if version == "4.0" else version


if __name__ == "__main__":
    _, what, *told = sys.argv
    if what == "race":
        race(Path(told[0]))
    else:
        {"steps": steps, "times": times, "ready": ready, "once": once}[what](told[0], Path(told[1]))
