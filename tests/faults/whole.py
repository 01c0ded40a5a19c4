"""Halts an install at each step of it, and sees to what befalls it there: nothing is stood in for but the network.

Packages come from a signed repository over HTTP, by the real fetcher, and are unpacked by the real process. A step is
every call that changes something on the disk, in the one that installs (`master`) or in the one that unpacks (`child`).
Whoever halts says so and waits; then it is killed, or the disk fills up, or others go on beside it. What is found
wrong is printed, a line each, then `steps N`, and in the end the codes of the errors that were told.

    python whole.py killed SCENARIO FOLDER      the master, at each step of its own
    python whole.py orphaned SCENARIO FOLDER    the master, at each step of the child: that must end with it
    python whole.py bereft SCENARIO FOLDER      the child, at each step of its own
    python whole.py full SCENARIO FOLDER        the disk, at each step of both
    python whole.py crowd FOLDER                one of four who want the same, at some steps of both
    python whole.py beside FOLDER               nobody: a worker starts from what is being collected, or is about to be
    python whole.py times SCENARIO FOLDER       the master, at random moments
    python whole.py ready|once SCENARIO FOLDER  nobody is killed: for who watches
"""

import asyncio
import atexit
import fcntl
import itertools
import os
import random
import re
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from beeyard.adapters.archives import confine, unpack
from beeyard.adapters.fetcher import FolderFetcher
from beeyard.adapters.package_store import FolderStore, disk
from beeyard.adapters.packages.binary import BinaryManager
from beeyard.adapters.repositories import repository
from beeyard.adapters.repositories.publishing import Workshop, add, init, publish
from beeyard.domain.errors import BeeyardError
from beeyard.domain.packages import Description, Receipt
from beeyard.domain.sources import RepositorySpec
from beeyard.entrypoints.cli.building import build
from beeyard.ports.repository import Repository
from tests.faults import cut_off
from tests.faults.cut_off import Yard, check

CALLS = (*cut_off.CHANGES, "pwrite", "ftruncate", "fdatasync", "posix_fallocate", "replace", "remove")
"""What a master changes the disk by."""
PATIENCE = 30.0
MOMENTS, CROWD, ROUNDS = 10, 4, 12
Who = Literal["master", "child"]

HALTING = """
import os, sys
sys.path += sys.argv[1:]
from beeyard.adapters.archives.child import main
fatal, told, go = {fatal}, {told}, {go}
write, read, taken = os.write, os.read, 0
def halting(call):
    def halt(*args, **kwargs):
        global taken
        taken += 1
        if taken == fatal:
            write(told, b"halted %d\\n" % os.getpid())
            read(go, 1)
        return call(*args, **kwargs)
    return halt
for name in ("open", "write", "mkdir", "symlink", "fchmod"):
    setattr(os, name, halting(getattr(os, name)))
main()
"""


class Repo(BaseHTTPRequestHandler):
    """One folder, with ranges, as web servers do."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        file = self.folder / self.path.lstrip("/")
        data = file.read_bytes() if file.is_file() else b""
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = data[int(span[1]) : int(span[2]) + 1] if span else data
        self.send_response(404 if not file.is_file() else 206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {span[1]}-{span[2]}/{len(data)}")
        self.send_header("ETag", f'"{file.name}"')
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Quiet(ThreadingHTTPServer):
    """Those who ask get killed: that is no news."""

    def handle_error(self, *_: Any) -> None:
        """Says nothing either."""


class Whole(Yard):
    """A host that installs as a master does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "packages"
        self._trust = folder / "trust"
        published = folder / "repository"
        if not published.exists():
            self._publish(published)
        files = sorted((folder / "built").glob("*-any.json"))
        described = [msgspec.json.decode(file.read_bytes(), type=Description) for file in files]
        self.known = {one.manifest.version: (one, str(folder / "built" / one.payload.name)) for one in described}
        self.found: Receipt
        self.spec = RepositorySpec("main", url=_serve(published), root=str(published / "metadata" / "1.root.json"))

    def _publish(self, published: Path) -> None:
        workshop = Workshop(published, self.folder / "keys")
        init(workshop, [self.folder / "root.key"], 1)
        built = [build(str(self._source(version)), str(self.folder / "built"), None)[0] for version in "123"]
        add(workshop, [Path(one.payload) for one in built], "acme")
        publish(workshop)

    def _source(self, major: str) -> Path:
        """As `damage` knows it. Versions differ in a byte: where one is installed, others come as deltas."""
        source = self.folder / f"source-{major}"
        for path, content in {"README": b"read me\n", "share/empty": b"", "share/deep/data": b"\0\1\2" * 3000}.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(content)
        (source / "bin").mkdir()
        (source / "bin/serve").write_text("#!/bin/sh\nexec sleep 1000\n")
        (source / "bin/serve").chmod(0o755)
        (source / "bin/start").symlink_to("serve")
        (source / "noise").write_bytes(random.Random(1).randbytes(300_000) + major.encode())
        manifest = {"name": "caddy", "version": f"{major}.0", "executable": {"path": "bin/serve"}}
        (source / "package.yaml").write_bytes(msgspec.json.encode(manifest))  # JSON is YAML.
        return source

    def open(self) -> FolderStore:
        return FolderStore(self.root, unpack.unpack, patch=unpack.unpack, grace=-1.0)

    def manager(self) -> BinaryManager:
        """As a new process makes it."""

        async def opened(spec: RepositorySpec) -> Repository:
            return repository(spec, self._trust)

        return BinaryManager(self.root, lambda root: self.open(), FolderFetcher(self.root / "dl"), "any", opened)

    async def install(self, version: str) -> None:
        manager = self.manager()
        offers = await manager.offers(self.spec, "caddy")
        (offered,) = [one for one in offers if one.manifest.version == version]
        await manager.install(self.spec, offered, lambda done: None)

    async def repair(self) -> None:
        manager = self.manager()
        (installed,) = await manager.facts([self.spec])
        await manager.repair(self.spec, installed, lambda done: None)

    def prepare(self, scenario: str) -> None:
        if scenario == "first":
            disk.delete(self._trust)
        super().prepare(scenario)

    async def use(self) -> None:
        """As a worker's start does with the package that its master found installed before."""
        await self.open().use(self.found, "web")

    def act(self, scenario: str) -> Callable[[], Awaitable[None]]:
        return self.use if scenario == "use" else super().act(scenario)

    def done(self, scenario: str) -> Iterator[str]:
        yield from super().done(scenario)
        yield from (f"{name} is left of a download" for name in os.listdir(self.root / "dl"))
        yield from (f"{path} is left of a refresh" for path in self._trust.glob("metadata/tmp*"))


class Ended(NamedTuple):
    """Whether it came to the step; the code of the error that the master told, if it told one."""

    halted: bool
    code: str


class Run:
    """One process that does a scenario, and halts at a step of its own or of its child's; `stays`: and when it is done.

    What it says: `halted PID`, `blocked` by a lock, `error CODE`, `done`.
    """

    def __init__(self, yard: Whole, scenario: str, who: Who = "master", fatal: int = 0, *, stays: bool = False) -> None:
        self._told, told = os.pipe()
        go, self._go = os.pipe()
        if not (pid := os.fork()):
            os.close(self._told)
            os.close(self._go)
            write, read = os.write, os.read  # Those of now: they do not halt.
            _halting(who, fatal, told, go)
            code = _code(yard, scenario)
            write(told, f"error {code}\n".encode() if code else b"done\n")
            if stays:
                read(go, 1)
            os._exit(0)
        os.close(told)
        os.close(go)
        self.pid = pid
        self._said = b""

    def heard(self, pattern: str) -> str:
        """What it says in this form, as soon as it does; nothing if all has ended without that."""
        while not (found := re.search(pattern.encode(), self._said)) and not self._ended():
            pass
        return (found[1] or b"").decode() if found else ""

    def halted(self) -> int:
        """The pid of whoever has halted; 0: all is done without that."""
        return int(self.heard(r"halted (\d+)\n|done\n|error") or 0)

    def again(self) -> int:
        """The pid of whoever halts next."""
        self._said = b""
        return self.halted()

    def go(self) -> None:
        """Who halted goes on."""
        os.write(self._go, b"!")

    def end(self) -> str:
        """Wait until neither it nor its child is left. The code of the error it told."""
        while not self._ended():
            pass
        os.close(self._go)
        os.close(self._told)
        os.waitpid(self.pid, 0)
        found = re.search(rb"error (\w+)\n", self._said)
        return found[1].decode() if found else ""

    def _ended(self) -> bool:
        """Whether nobody is left."""
        silent = self.silent(PATIENCE)
        assert silent is not None, "somebody is left who neither ends nor goes on"
        return silent

    def silent(self, patience: float) -> bool | None:
        """Whether nobody is left who could say something; None: nobody did."""
        if not select.select([self._told], [], [], patience)[0]:
            return None
        said = os.read(self._told, 4096)
        self._said += said
        return not said


def _halting(who: Who, fatal: int, told: int, go: int) -> None:
    """Have this process, or the one that it will unpack with, halt before the step with this number."""
    start, lock = unpack._start, fcntl.flock
    write, read, taken = os.write, os.read, itertools.count(1)

    def locking(file: int, how: int) -> None:
        try:
            lock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if how & fcntl.LOCK_NB:
                raise
            write(told, b"blocked\n")
            lock(file, how)

    fcntl.flock = locking  # type: ignore[assignment]
    unpack._start = lambda *files: start(*files, told, go)
    if who == "child":
        unpack._CODE = HALTING.format(fatal=fatal, told=told, go=go)
        return

    def halting(call: Callable[..., Any]) -> Callable[..., Any]:
        def halt(*args: Any, **kwargs: Any) -> Any:
            if next(taken) == fatal:
                write(told, b"halted %d\n" % os.getpid())
                read(go, 1)
            return call(*args, **kwargs)

        return halt

    for name in CALLS:
        setattr(os, name, halting(getattr(os, name)))
    disk._renameat2 = halting(disk._renameat2)
    disk._syncfs = halting(disk._syncfs)


def _code(yard: Whole, scenario: str) -> str:
    """Do it; the code of what it met."""
    try:
        asyncio.run(cut_off._again(yard, scenario))
    except BeeyardError as error:
        return error.code
    except BaseException as error:
        print(f"in the master: {error!r}", flush=True)
        return "none"
    return ""


def _each(yard: Whole, scenario: str, who: Who, deed: Callable[[Run, int], Ended]) -> set[str]:
    """Do this at each step in turn; the codes that were told."""
    codes: set[str] = set()
    ended = Ended(halted=True, code="")
    fatal = 0
    while ended.halted:
        codes.add(ended.code)
        fatal += 1
        yard.prepare(scenario)
        run = Run(yard, scenario, who, fatal)
        ended = deed(run, run.halted())
        check(yard, scenario, f"step {fatal} of the {who}")
    print("steps", fatal - 1)
    return codes - {""}


def _kill_master(run: Run, halted: int) -> Ended:
    if halted:
        os.kill(run.pid, signal.SIGKILL)
    return Ended(bool(halted), run.end())


def _kill_child(yard: Whole) -> Callable[[Run, int], Ended]:
    """Its master lives, and clears away what it left."""

    def kill(run: Run, halted: int) -> Ended:
        child = halted
        while child:  # A delta whose unpacker was killed is followed by the whole, and that has one too.
            os.kill(child, signal.SIGKILL)
            child = run.again()
        code = run.end()
        for wrong in yard.left():
            print(f"bereft: {wrong}")
        return Ended(bool(halted), code)

    return kill


def _fill(yard: Whole, scenario: str) -> Callable[[Run, int], Ended]:
    """No byte is left from then on; recovery needs none either."""

    def fill(run: Run, halted: int) -> Ended:
        filler = yard.folder / "filler"
        if halted:
            state = os.statvfs(yard.folder)
            with filler.open("wb") as file:
                if state.f_bavail:
                    os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize)
            run.go()
        code = run.end()
        for wrong in (*yard.wrong(scenario), *yard.left(), *(yard.done(scenario) if not code else ())):
            print(f"full: {wrong}")
        yard.open().recover()
        for wrong in (*yard.wrong(scenario), *yard.left()):
            print(f"full, recovered: {wrong}")
        filler.unlink(missing_ok=True)
        return Ended(bool(halted), code)

    return fill


def times(yard: Whole, scenario: str) -> None:
    """Kill masters at random moments of the time that a whole one takes; nobody may outlive them."""
    yard.prepare(scenario)
    began = time.monotonic()
    Run(yard, scenario).end()
    whole, chance, killed = time.monotonic() - began, random.Random(scenario), 0
    while killed < MOMENTS:
        yard.prepare(scenario)
        after = chance.uniform(0, whole)
        run = Run(yard, scenario)
        if run.silent(after) is not None:
            run.end()
            whole *= 0.9
            continue
        os.kill(run.pid, signal.SIGKILL)
        run.end()
        killed += 1
        check(yard, scenario, f"killed after {after} s")
    print("steps", killed)


def crowd(yard: Whole) -> None:
    """One halts half way and is killed while the others wait for it or pass it by: all of these have it in the end."""
    for number in range(ROUNDS):
        yard.prepare("first")
        who: Who = "child" if number % 3 == 2 else "master"
        victim = Run(yard, "first", who, (2 if who == "child" else 4) * number + 1)
        assert victim.halted(), number
        others = [Run(yard, "first") for _ in range(CROWD - 1)]
        _kill_master(victim, 1)
        for other in others:
            if code := other.end():
                print(f"round {number}: another one failed: {code}")
        for wrong in (*yard.wrong("first"), *yard.done("first")):
            print(f"round {number}: {wrong}")
        check(yard, "first", f"round {number}")
    print("steps", ROUNDS)


def beside(yard: Whole) -> None:
    """Who was told to have it does have it; who was not finds it gone, all of it."""
    for first, second in (("collect", "use"), ("use", "collect")):
        for fatal in itertools.count(1):
            yard.prepare("collect")
            yard.found = yard.receipt("2.0")
            runs = {first: Run(yard, first, "master", fatal, stays=first == "use")}
            halted = runs[first].halted()
            runs[second] = Run(yard, second, stays=second == "use")
            runs[second].heard("(blocked|done|error)\n?")
            if halted:
                runs[first].go()
            used = runs["use"].heard("(done|error)") == "done"
            if code := runs["collect"].end():
                print(f"{first} at step {fatal}: not collected: {code}")
            there = {receipt.description.manifest.version for receipt in yard.open().receipts()}
            whole = cut_off._contents(yard.entry("2.0")) == cut_off._described(yard.known["2.0"][0])
            if (used, used) != ("2.0" in there, whole):
                print(f"{first} at step {fatal}: used {used}, installed {'2.0' in there}, whole {whole}")
            runs["use"].go()
            if (code := runs["use"].end()) not in ("", "package_not_installed"):
                print(f"{first} at step {fatal}: not used: {code}")
            if not halted:
                print("steps", fatal - 1)
                break


def _serve(folder: Path) -> str:
    """The URL of a folder, for as long as this process lives."""
    server = Quiet(("127.0.0.1", 0), type("Handler", (Repo,), {"folder": folder}))
    parent = os.getpid()
    if not (pid := os.fork()):
        confine.die_with(parent)
        server.serve_forever()
    atexit.register(os.kill, pid, signal.SIGKILL)  # Also where `die_with` is what is broken.
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


def main(what: str, scenario: str, folder: Path) -> None:
    """Do it."""
    yard = Whole(folder)
    codes: set[str] = set()
    match what:
        case "killed":
            _each(yard, scenario, "master", _kill_master)
        case "orphaned":
            _each(yard, scenario, "child", _kill_master)
        case "bereft":
            codes = _each(yard, scenario, "child", _kill_child(yard))
        case "full":
            codes = _each(yard, scenario, "master", _fill(yard, scenario))
            codes |= _each(yard, scenario, "child", _fill(yard, scenario))
        case "times":
            times(yard, scenario)
        case "crowd":
            crowd(yard)
        case "beside":
            beside(yard)
        case "ready":
            yard.prepare(scenario)
        case "once":
            asyncio.run(cut_off._again(yard, scenario))
    if codes:
        print(*sorted(codes))


if __name__ == "__main__":
    _, what, *told = sys.argv
    main(what, told[0] if told[1:] else "first", Path(told[-1]))
