"""A real pump over real pipes: killed, flooded, out of disk, and left alone."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import VERSION, Unpacker, pack
from tests.disks import mounted

SOURCE = Path(__file__).parents[2] / "src"
RUNNER = f"""import sys
sys.path.insert(0, {str(SOURCE)!r})
from beeyard.launcher import pump
from beeyard.launcher.paths import Paths
sys.exit(pump.main(Paths(sys.argv[1])))"""


def until(found: Callable[[], object], seconds: float = 30.0) -> None:
    """Ask until the answer is true; fails after a while."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


class Launcher:
    """The pump's other side, as far as a test needs one."""

    def __init__(self, state: Path) -> None:
        self.paths = Paths(str(state))
        self.paths.create()
        self.pump: subprocess.Popen[bytes] | None = None
        self.outputs: dict[str, int] = {}
        self.writers: list[subprocess.Popen[bytes]] = []
        self._socket: socket.socket | None = None
        self._unpacker = Unpacker()

    def start(self, **hello: Any) -> None:
        """Start a pump and say hello."""
        with open(self.paths.daemon_log, "ab") as log:
            self.pump = subprocess.Popen([sys.executable, "-I", "-S", "-c", RUNNER, self.paths.state], stderr=log)
        self.connect(**hello)

    def connect(self, **hello: Any) -> None:
        """Say hello to a pump that runs, or is about to."""
        self.disconnect()
        self._unpacker = Unpacker()

        def connected() -> bool:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(self.paths.pump_socket)
                answer = self.ask("hello", version=VERSION, **hello)
            except OSError:
                self._socket.close()
                return False
            assert self.pump is None or answer == {"re": 7, "version": VERSION, "pid": self.pump.pid}
            return True

        until(connected)

    def disconnect(self) -> None:
        """Be gone, as if killed."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a request, wait for its answer."""
        assert self._socket
        self._socket.sendall(pack({"type": kind, "id": 7, **fields}))
        while True:
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError
            if answers := self._unpacker.feed(data):
                return answers[0]

    def watch(self, worker: str, max_size: int = 50_000_000, max_files: int = 5) -> None:
        """Make the worker's pipes if need be, and have them copied."""
        for stream in ("stdout", "stderr"):
            fifo = self.paths.worker_fifo(worker, stream)
            if fifo not in self.outputs:
                os.mkfifo(fifo, 0o600)
                self.outputs[fifo] = os.open(fifo, os.O_RDWR)
        assert self.ask("watch", worker=worker, max_size=max_size, max_files=max_files) == {"re": 7, "ok": True}

    def output(self, worker: str, stream: str = "stdout") -> int:
        """What the worker would have as descriptor 1 or 2."""
        return self.outputs[self.paths.worker_fifo(worker, stream)]

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        assert self.pump
        self.pump.kill()
        self.pump.wait()
        self.pump = None

    def files(self, worker: str, stream: str = "stdout") -> list[Path]:
        """Its log files, oldest first."""
        found = Path(self.paths.worker_logs(worker)).glob(f"{stream}.log*")
        return sorted(found, key=lambda path: -int(re.sub(r".*\.log\.?", "", path.name) or 0))

    def stored(self, worker: str, stream: str = "stdout") -> bytes:
        """All its log files in a row."""
        return b"".join(path.read_bytes() for path in self.files(worker, stream))

    def stats(self, worker: str) -> dict[str, Any]:
        """The pump's counts."""
        found: dict[str, Any] = self.ask("stats")["workers"][worker]
        return found

    def said(self) -> str:
        """The daemon's log."""
        return Path(self.paths.daemon_log).read_text()

    def close(self) -> None:
        """End whatever still runs."""
        self.disconnect()
        if self.pump:
            self.kill()
        for writer in self.writers:
            writer.kill()
            writer.wait()
        for fd in self.outputs.values():
            os.close(fd)


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    """With a folder of a short name: sockets want that."""
    with TemporaryDirectory() as folder:
        made = Launcher(Path(folder))
        yield made
        made.close()


def write(fd: int, data: bytes) -> None:
    """All of it, waiting as a worker would."""
    while data:
        data = data[os.write(fd, data) :]


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Run it beside the test."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


WRITER = """import os
for first in range(0, 1_000_000, 500):
    data = b"".join(b"%099d\\n" % number for number in range(first, first + 500))
    while data:
        data = data[os.write(1, data):]
"""


def test_nothing_is_lost_doubled_or_torn_however_often_the_pump_is_killed(launcher: Launcher) -> None:
    """A process writes 100 MB of numbered lines; pump after pump is killed while it copies them and rotates files."""
    launcher.start()
    launcher.watch("web", max_size=1_000_000, max_files=100_000)
    writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", WRITER], stdout=launcher.output("web"))
    launcher.writers.append(writer)
    kills = 0
    while writer.poll() is None:
        time.sleep(0.027 + kills % 13 * 0.0015)  # from before its first tick to the midst of its work
        launcher.kill()
        kills += 1
        launcher.start()
        launcher.watch("web", max_size=1_000_000, max_files=100_000)
    assert writer.returncode == 0
    assert kills > 10
    assert launcher.ask("drain", worker="web") == {"re": 7, "ok": True}
    number = 0
    for path in launcher.files("web"):
        lines = path.read_bytes().splitlines(keepends=True)
        assert lines == [b"%099d\n" % n for n in range(number, number + len(lines))], path
        number += len(lines)
    assert number == 1_000_000


def test_what_is_written_while_no_pump_lives_is_kept(launcher: Launcher) -> None:
    """The next pump finds it in the pipe."""
    launcher.start()
    launcher.watch("web")
    launcher.kill()
    write(launcher.output("web"), b"nobody listens\n")
    launcher.start()
    launcher.watch("web")
    until(lambda: launcher.stored("web") == b"nobody listens\n")


def test_both_streams_go_to_files_of_their_own(launcher: Launcher) -> None:
    """Readable by the owner alone."""
    launcher.start()
    launcher.watch("web")
    write(launcher.output("web"), b"out\n")
    write(launcher.output("web", "stderr"), b"err\n")
    launcher.ask("drain", worker="web")
    assert (launcher.stored("web"), launcher.stored("web", "stderr")) == (b"out\n", b"err\n")
    assert launcher.files("web")[0].stat().st_mode & 0o777 == 0o600
    assert launcher.stats("web") == {"bytes": 8, "dropped_bytes": 0, "rotations": 0, "cut_lines": 0, "error": ""}


def test_drain_answers_although_the_worker_never_stops_writing(launcher: Launcher) -> None:
    """Only what was there when asked is waited for."""
    launcher.start()
    launcher.watch("web", max_size=1_000_000, max_files=2)
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            write(launcher.output("web"), b"and so on\n" * 1000)

    writer = in_background(work)
    for _ in range(20):
        assert launcher.ask("drain", worker="web") == {"re": 7, "ok": True}
    done.set()
    writer.join()


def test_a_line_of_300_megabytes_takes_nothing_down(launcher: Launcher) -> None:
    """Files keep their size, the line is cut, others are served, and the pump's memory stays small."""
    launcher.start()
    launcher.watch("huge", max_size=20_000_000, max_files=2)
    launcher.watch("other")

    def work() -> None:
        for _ in range(300):
            write(launcher.output("huge"), b"x" * 1_000_000)

    writer = in_background(work)
    write(launcher.output("other"), b"still served\n")
    until(lambda: launcher.stored("other") == b"still served\n")
    writer.join()
    launcher.ask("drain", worker="huge")
    assert launcher.stats("huge")["bytes"] == 300_000_000
    assert launcher.stats("huge")["cut_lines"] >= 14
    assert all(path.stat().st_size <= 20_000_000 for path in launcher.files("huge"))
    assert launcher.pump
    status = Path(f"/proc/{launcher.pump.pid}/status").read_text()
    assert int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) < 40_000


def test_a_full_disk_drops_output_says_so_once_and_goes_on_when_there_is_room(launcher: Launcher) -> None:
    """The worker never waits; the file says how much is missing, on a line of its own, also if nothing more comes."""
    launcher.start()
    logs = Path(launcher.paths.worker_logs("web"))
    with mounted(logs, "size=1m"):
        launcher.watch("web")
        ballast = logs / "ballast"
        ballast.write_bytes(b"b" * 900_000)
        for _ in range(30):
            write(launcher.output("web"), b"y" * 99_999 + b"\n")
            launcher.ask("drain", worker="web")
        stats = launcher.stats("web")
        assert stats["error"] == "No space left on device"
        assert stats["bytes"] + stats["dropped_bytes"] == 3_000_000
        ballast.unlink()
        until(lambda: launcher.stats("web")["error"] == "")
        write(launcher.output("web"), b"room again\n")
        launcher.ask("drain", worker="web")
        kept, marker, rest = launcher.stored("web").partition(b"[beeyard: ")
        assert kept.endswith(b"y\n")
        assert rest.endswith(b" bytes of output dropped: No space left on device]\nroom again\n")
        dropped = sum(map(int, re.findall(rb"(\d+) bytes of output dropped", marker + rest)))
        assert dropped == launcher.stats("web")["dropped_bytes"]
        assert launcher.said().count("can't be written") == launcher.said().count("can be written again") == 1
        launcher.ask("unwatch", worker="web")


def test_a_worker_that_closes_its_output_ends_nothing(launcher: Launcher) -> None:
    """Even when the launcher is gone too, the pump neither stops nor spins."""
    launcher.start()
    launcher.watch("web")
    write(launcher.output("web"), b"last words\n")
    for fd in launcher.outputs.values():
        os.close(fd)
    launcher.outputs.clear()
    launcher.ask("drain", worker="web")
    assert launcher.stored("web") == b"last words\n"
    assert launcher.pump
    pid = launcher.pump.pid
    until(lambda: sleeps(pid))


def sleeps(pid: int) -> bool:
    """Whether it is not woken once in half a second: that nothing happens can't be polled for."""

    def switches() -> list[str]:
        return re.findall(r"ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())

    before = switches()
    time.sleep(0.5)
    return switches() == before


def test_many_workers_are_served_and_cost_nothing_while_idle(launcher: Launcher) -> None:
    """Two thousand pipes, no file before there is output, under 1.5 KB each, no wake-ups."""
    launcher.start()
    assert launcher.pump
    status = Path(f"/proc/{launcher.pump.pid}/status")

    def kilobytes() -> int:
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status.read_text())[0])

    before = kilobytes()
    for number in range(1000):
        launcher.watch(f"worker-{number}")
    assert (kilobytes() - before) * 1024 / 1000 < 1700  # 1.5 KB and what a page rounds up
    assert not list(Path(launcher.paths.logs).iterdir())
    for number in range(1000):
        write(launcher.output(f"worker-{number}"), b"I am %d\n" % number)
    until(lambda: all(launcher.stored(f"worker-{number}") == b"I am %d\n" % number for number in range(1000)))
    pid = launcher.pump.pid
    until(lambda: sleeps(pid))


def test_sizes_can_change_and_a_pipe_made_again_is_opened_again(launcher: Launcher) -> None:
    """Watching twice is harmless."""
    launcher.start()
    launcher.watch("web")
    write(launcher.output("web"), b"a" * 5000 + b"\n")
    launcher.ask("drain", worker="web")
    launcher.watch("web", max_size=4096, max_files=1)
    fifo = launcher.paths.worker_fifo("web", "stdout")
    os.close(launcher.outputs.pop(fifo))
    os.unlink(fifo)
    launcher.watch("web", max_size=4096, max_files=1)
    write(launcher.output("web"), b"b\n")
    launcher.ask("drain", worker="web")
    assert [path.read_bytes() for path in launcher.files("web")] == [b"a" * 5000 + b"\n", b"b\n"]


def test_what_can_not_be_done_is_answered(launcher: Launcher) -> None:
    """Nothing said to the pump is fatal."""
    launcher.start()
    assert launcher.ask("dance") == {"re": 7, "error": "unknown"}
    assert launcher.ask("watch", worker="web") == {"re": 7, "error": "max_size is missing"}
    assert "No such file" in launcher.ask("watch", worker="web", max_size=1, max_files=1)["error"]
    assert launcher.ask("unwatch", worker="web") == {"re": 7, "ok": True}


def test_signals_do_not_end_it_and_quit_does_after_draining(launcher: Launcher) -> None:
    """All that was written is on file by then, and the socket is gone."""
    launcher.start()
    launcher.watch("web")
    assert launcher.pump
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        launcher.pump.send_signal(number)
    write(launcher.output("web"), b"to be kept\n")
    assert launcher.ask("quit") == {"re": 7, "ok": True}
    assert launcher.pump.wait(30) == 0
    launcher.pump = None
    assert launcher.stored("web") == b"to be kept\n"
    assert not os.path.exists(launcher.paths.pump_socket)


def test_a_second_pump_leaves_the_first_alone(launcher: Launcher) -> None:
    """It waits for one that may be dying, then says why it goes."""
    launcher.start()
    second = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUNNER, launcher.paths.state], check=False, stderr=subprocess.PIPE, text=True
    )
    assert second.returncode == 1
    assert re.fullmatch(r"\S+ pump\[\d+\]: another pump holds \S+/pump.lock\n", second.stderr)
    assert launcher.ask("stats") == {"re": 7, "workers": {}}


def test_a_launcher_that_does_not_come_back_is_started(launcher: Launcher) -> None:
    """By the command that the last one left, again and again until one connects; not after `hello` without one."""
    came = Path(launcher.paths.state) / "came"
    command = ["/bin/sh", "-c", f"echo $$ >> {came}; trap '' TERM; kill -TERM $$; exit 3"]
    launcher.start(revive=command)
    launcher.disconnect()
    until(lambda: came.exists() and len(came.read_text().split()) == 2)
    launcher.connect(revive=[])
    assert launcher.said().count("there is no launcher; started one") == 2
