"""A Docker Engine of the tests' own: one for a whole run, on a socket and with its data in a folder of the run.

Who keeps it is a process of its own, this file as a program. It ends the engine when whoever ran the tests has ended,
however that came, and takes away all that was made: containers, networks, mounts, the bridge, the folder. The engine
leaves the host's packet filter alone: its ports are published by a process of its own each.

    python engine.py FOLDER OWNER [OPTION …]    OWNER is a pid; SIGHUP ends the engine and starts it again
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("dockerd", "docker", "busybox")
PATIENCE = 90.0
"""Seconds until an engine that is being started or ended is taken not to be."""
SUBNETS = "198.18.{}.1/24"
"""From the range that is kept for tests of networks."""
GONE = 2
"""MNT_DETACH of umount2(2)."""


class Engine:
    """One engine in a folder; whoever asks first has it started, others wait."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/engine.sock"
        self._options = options

    def start(self) -> None:
        """Returns when it answers. Raises OSError with the end of its log when it does not come up."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.answers():
                self._start()

    def _start(self) -> None:
        argv = [sys.executable, __file__, str(self.folder), str(owner()), *self._options]
        with (self.folder / "log").open("ab") as log:
            keeper = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        (self.folder / "keeper").write_text(str(keeper.pid))
        keeper.returncode = 0  # It is not ours to wait for: it outlives us.
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if time.monotonic() > end or not _alive(self._keeper()):
                log = self.folder / "log"
                raise OSError(f"dockerd does not come up: {log.read_text()[-2000:] if log.exists() else ''}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it does now."""
        argv = ["docker", "--host", self.host, "version", "--format", "{{.Server.Version}}"]
        return not subprocess.run(argv, capture_output=True, check=False).returncode

    def restart(self) -> None:
        """End it and start it again; returns while that is under way."""
        os.kill(self._keeper(), signal.SIGHUP)

    def end(self) -> None:
        """Returns once nothing is left of it."""
        if (keeper := self._keeper()) and _alive(keeper):
            os.kill(keeper, signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while self.folder.exists() and _alive(keeper) and time.monotonic() < end:
            time.sleep(0.05)

    def _keeper(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "keeper").read_text())
        return 0


def owner() -> int:
    """The process that runs all tests of this run: the parent of those that run some."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def of_this_run() -> Engine:
    """The one that all tests of this run share."""
    return Engine(Path(tempfile.gettempdir(), f"beeyard-engine-{owner()}"))


def missing() -> str | None:
    """Why there can be none here, or nothing: a DOCKER_HOST names one, or one of our own was started."""
    if os.environ.get("DOCKER_HOST"):
        done = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
        return done.stderr.strip() or None if done.returncode else None
    absent = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid():
        return "only root can start a dockerd, and no DOCKER_HOST names one"
    try:
        of_this_run().start()
    except OSError as error:
        return str(error)
    return None


def _alive(pid: int) -> bool:
    try:
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --- the keeper -----------------------------------------------------------------------------------------------------


class Keeper:
    """Starts the engine, and ends it with all that it made."""

    def __init__(self, folder: Path, options: list[str]) -> None:
        self.folder = folder
        self._options = options
        self._bridge = f"bee{os.getpid()}"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once."""
        data, run = self.folder / "data", self.folder / "run"
        argv = ["dockerd", f"--host=unix://{self.folder}/engine.sock", f"--data-root={data}", f"--exec-root={run}"]
        argv += [f"--pidfile={self.folder}/pid", f"--bridge={self._bridge}", "--iptables=false", "--ip6tables=false"]
        argv += ["--ip-masq=false", "--ip-forward=false", "--shutdown-timeout=2", *self._options]
        self._child = subprocess.Popen(argv, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})

    def bridge(self) -> None:
        """One that no other engine has, with addresses that no other has."""
        _ip("link", "add", "name", self._bridge, "type", "bridge")
        routes = subprocess.run(["busybox", "ip", "route"], capture_output=True, text=True, check=True).stdout
        numbers = (number % 256 for number in itertools.count(os.getpid()))
        free = (subnet for number in numbers if (subnet := SUBNETS.format(number))[:-4] not in routes)
        _ip("addr", "add", next(free), "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def stop(self) -> None:
        """The engine alone, as an operator does; what does not listen is killed."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(PATIENCE / 3)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()

    def clear(self) -> None:
        """All of it, whatever still answers."""
        host = f"unix://{self.folder}/engine.sock"
        with contextlib.suppress(subprocess.TimeoutExpired):
            found = _docker(host, "ps", "-aq").split()
            _docker(host, "rm", "-fv", *found) if found else ""
            _docker(host, "network", "prune", "-f")
        self.stop()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{self.folder}/")]):
            ctypes.CDLL(None).umount2(mount.encode(), GONE)
        subprocess.run(["busybox", "ip", "link", "del", self._bridge], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _left(self) -> list[int]:
        """What an engine that was killed left running: of its containers, and those that look after them."""
        containers = [path.name for path in (self.folder / "data/containers").glob("*")]
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                ours = str(self.folder).encode() in (process / "cmdline").read_bytes()
                groups = (process / "cgroup").read_text()
                if int(process.name) != os.getpid() and (ours or any(one in groups for one in containers)):
                    found.append(int(process.name))
        return found

    def keep(self, owner: int) -> None:
        """Until the owner is gone, or we are told to end."""
        heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        try:
            watched = os.pidfd_open(owner)
            self.bridge()
            self.start()
            while True:
                ready, _, _ = select.select([watched, heard], [], [])
                if watched in ready or set(os.read(heard, 100)) - {signal.SIGHUP}:
                    return
                self.stop()
                self.start()
        finally:
            self.clear()


def _ip(*words: str) -> None:
    subprocess.run(["busybox", "ip", *words], check=True)


def _docker(host: str, *words: str) -> str:
    argv = ["docker", "--host", host, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE / 3).stdout


if __name__ == "__main__":
    Keeper(Path(sys.argv[1]), sys.argv[3:]).keep(int(sys.argv[2]))
