"""The pump: a process that copies what workers write from their pipes to their log files, and does nothing else.

Knows pipes by the name of the worker; refuses to know processes and attempts. It may be killed at any instant, and the
next one goes on at the same byte: pipes are kept open by the launcher and the workers, and no byte is ever held here
(see `logfile`). Only `quit` ends it; without a launcher it goes on, and after a while starts one (see `revival`).

What a launcher may say, each answered with `re`:

    hello   version, revive (argv, optional)   -> version, pid
    watch   worker, max_size, max_files        -> ok      idempotent; new sizes hold at once
    unwatch worker                             -> ok      after what is in the pipes; harmless twice
    drain   worker                             -> ok      when all that is in the pipes now is on file, or dropped
    keep    owner, name, wish, users, ready; a socket -> ok      for the next launcher, instead of what has that name
    lose    owner, name                        -> ok      harmless twice
    kept                                       -> sockets: what was said of each; the sockets, in this order
    stats                                      -> workers: bytes, dropped_bytes, rotations, cut_lines, error of each
    quit                                       -> ok      after draining all

It works in ticks: the first byte wakes it, then it lets more gather, so that many lines of many workers cost one
wake-up. A tick is as long as it takes the busiest pipe to fill by a quarter, TICK at most. Idle, it sleeps without end.
"""

import errno
import os
import resource
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from beeyard.launcher.locks import lock
from beeyard.launcher.logfile import LogFile
from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import VERSION, Message
from beeyard.launcher.pump_clients import Client, Clients
from beeyard.launcher.revival import IGNORED, Revival
from beeyard.launcher.rotation import mend
from beeyard.launcher.shelf import Entry, Shelf
from beeyard.launcher.stream import RETRY_EVERY, Stream
from beeyard.launcher.voice import voice

TICK = 0.03
"""Seconds at most. A first burst beyond 64 KiB waits so long; at 20 ms, 10,000 lines a second cost a quarter more."""
FILL = 0.25
"""How full the busiest pipe should get within a tick."""

CALM = 0.1
"""Seconds after which a burst is forgotten."""

TURN = 512 * 1024
"""Bytes from one pipe before it is the next one's turn."""

SMALLEST = 4096
"""Bytes in a log file before it is put aside, at least."""

SPARE = 64
"""Descriptors for all but workers' pipes and files."""

PREDECESSOR = 5.0
"""Seconds to wait for one that is dying."""

STREAMS = ("stdout", "stderr")


say = voice("pump")


class Pump:
    """The process's whole state."""

    def __init__(self, paths: Paths, revive: Sequence[str]) -> None:
        self._paths = paths
        self._workers: dict[str, tuple[Stream, ...]] = {}
        self._streams: dict[int, Stream] = {}
        self._open: dict[Stream, None] = {}  # those with open files, the longest unused first
        self._refused: set[Stream] = set()
        self._shelf = Shelf()
        self._limit = _most_descriptors()
        self._nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._revival = Revival(paths.daemon_log)
        self._revival.present(list(revive))
        self._revival.absent(time.monotonic())
        self._clients = Clients(paths.pump_socket, self._answer)
        self._pipes = select.epoll()
        self._any = select.epoll()
        self._any.register(self._pipes, select.EPOLLIN)
        self._any.register(self._clients.fileno(), select.EPOLLIN)
        self._tick = TICK
        self._speed = 0.0  # of the fastest writer of late, in pipes a second
        self._last_round = 0.0
        self._done = False

    def run(self) -> None:
        """Until someone says quit."""
        while not self._done:
            ready = [fd for fd, _ in self._any.poll(self._patience())]
            if self._clients.fileno() in ready:
                self._clients.serve(0)
            if self._pipes.fileno() in ready:
                self._gather()
                self._round()
            self._look_after()
        self._clients.close()

    def _patience(self) -> float:
        """Seconds until something is due; -1: nothing is."""
        now = time.monotonic()
        due = [now + RETRY_EVERY] if self._refused else []
        if self._revival.due is not None:
            due.append(self._revival.due)
        return max(0.0, min(due) - now) if due else -1

    def _gather(self) -> None:
        """Let bytes gather for a tick; who speaks to us meanwhile does not wait."""
        end = time.monotonic() + self._tick
        while not self._done and (left := end - time.monotonic()) >= 0.001:  # epoll counts in milliseconds
            self._clients.serve(left)
        if (
            left := end - time.monotonic()
        ) > 0.00005:  # and the kernel's timers are late by as much (PR_SET_TIMERSLACK)
            time.sleep(left)

    def _round(self) -> None:
        """A turn for each pipe with something in it, and the length of the next tick."""
        now = time.time()
        fill = 0.0
        for fd, _ in self._pipes.poll(0, 4096):
            stream = self._streams[fd]
            fill = max(fill, stream.drain(TURN, now, self._nowhere) / stream.capacity)
            self._note(stream)
        end = time.monotonic()
        since = min(end - self._last_round, TICK)
        self._last_round = end
        speed = fill / since if fill < 0.5 else 4 * fill / since  # half full: its writer may have waited, so at least
        self._speed = max(speed, self._speed * (1 - since / CALM))
        self._tick = min(TICK, FILL / self._speed) if self._speed else TICK

    def _note(self, stream: Stream) -> None:
        """Keep open files within bounds, and tell of each outage once."""
        if stream.log.is_open:
            self._open.pop(stream, None)
            self._open[stream] = None
            if len(self._open) > min(1024, max(16, (self._left() - SPARE) // 2)):
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.log.close()
        if stream.error and stream not in self._refused:
            self._refused.add(stream)
            say(f"{stream.log.base}.log can't be written, so output of {stream.worker} is dropped: {stream.error}")
        elif not stream.error and stream in self._refused:
            self._refused.remove(stream)
            say(f"{stream.log.base}.log can be written again; {stream.dropped} bytes were dropped so far")

    def _look_after(self) -> None:
        """What time alone brings about."""
        for stream in list(self._refused):
            stream.retry(time.time())
            self._note(stream)
        now = time.monotonic()
        if self._revival.due is None:
            if not any(client.greeted for client in self._clients):
                self._revival.absent(now)
        elif self._revival.due <= now:
            try:
                say(f"there is no launcher; started one, process {self._revival.start(now)}")
            except OSError as error:
                say(f"there is no launcher, and none could be started: {error}")

    def _answer(self, client: Client, message: Message) -> Message:
        try:
            match message.get("type"):
                case "hello":
                    client.greeted = True
                    self._revival.present([str(word) for word in message.get("revive") or ()])
                    return {"version": VERSION, "pid": os.getpid()}
                case "watch":
                    self._watch(message["worker"], int(message["max_size"]), int(message["max_files"]))
                case "unwatch":
                    self._unwatch(message["worker"])
                case "drain":
                    self._settle(message["worker"])
                case "stats":
                    return {"workers": {worker: _stats(streams) for worker, streams in self._workers.items()}}
                case "keep":
                    entry = {field: message[field] for field in ("owner", "name", "wish", "users")}
                    entry["ready"] = message.get("ready", 0)
                    self._keep(entry, client.files.popleft())
                case "lose":
                    self._shelf.take_away(message["owner"], message["name"])
                case "kept":
                    client.giving += [fd for _, fd in self._shelf]
                    return {"sockets": [entry for entry, _ in self._shelf]}
                case "quit":
                    for worker in self._workers:
                        self._settle(worker)
                    self._revival.cancel()
                    self._done = True
                case _:
                    return {"error": "unknown"}
        except KeyError as error:
            return {"error": f"{error.args[0]} is missing"}
        except (OSError, TypeError, ValueError, IndexError) as error:
            return {"error": str(error)}
        return {"ok": True}

    def _watch(self, worker: str, max_size: int, max_files: int) -> None:
        fifos = [self._paths.worker_fifo(worker, name) for name in STREAMS]
        streams = self._workers.get(worker, ())
        if not (streams and all(stream.reads(fifo) for stream, fifo in zip(streams, fifos, strict=True))):
            self._unwatch(worker)
            streams = self._opened(worker, fifos)
            self._workers[worker] = streams
            for stream in streams:
                with suppress(OSError):  # A predecessor may have died in a turn, and no more byte may ever come.
                    mend(stream.log.base)
                self._streams[stream.pipe] = stream
                self._pipes.register(stream.pipe, select.EPOLLIN)
        for stream in streams:
            stream.log.max_size = max(SMALLEST, max_size)
            stream.log.max_files = max(0, max_files)

    def _opened(self, worker: str, fifos: list[str]) -> tuple[Stream, ...]:
        self._make_sure()
        folder = self._paths.worker_logs(worker)
        streams: list[Stream] = []
        try:
            for name, fifo in zip(STREAMS, fifos, strict=True):
                streams.append(Stream(worker, fifo, LogFile(os.path.join(folder, name), SMALLEST, 0)))
        except OSError:
            for stream in streams:
                stream.close()
            raise
        return tuple(streams)

    def _keep(self, entry: Entry, fd: int) -> None:
        try:
            if (entry["owner"], entry["name"]) not in self._shelf:
                self._make_sure()
        except OSError:
            os.close(fd)
            raise
        self._shelf.put(entry, fd)

    def _left(self) -> int:
        """Descriptors that neither pipes nor sockets have; of each socket a duplicate goes to the next launcher."""
        return self._limit - len(self._streams) - 2 * len(self._shelf)

    def _make_sure(self) -> None:
        """That there is room for one more. Raises OSError."""
        if self._left() < 2 * SPARE:
            those = f"{len(self._workers)} workers and {len(self._shelf)} sockets"
            raise OSError(errno.EMFILE, f"{those} fill the limit of {self._limit} open files")

    def _unwatch(self, worker: str) -> None:
        self._settle(worker)
        for stream in self._workers.pop(worker, ()):
            del self._streams[stream.pipe]
            self._open.pop(stream, None)
            self._refused.discard(stream)
            stream.close()

    def _settle(self, worker: str) -> None:
        for stream in self._workers.get(worker, ()):
            stream.settle(time.time(), self._nowhere)
            self._note(stream)


def _stats(streams: tuple[Stream, ...]) -> Message:
    return {
        "bytes": sum(stream.bytes for stream in streams),
        "dropped_bytes": sum(stream.dropped for stream in streams),
        "rotations": sum(stream.log.rotations for stream in streams),
        "cut_lines": sum(stream.log.cut_lines for stream in streams),
        "error": next((stream.error for stream in streams if stream.error), ""),
    }


def _most_descriptors() -> int:
    """Raise our limit of open files as far as we may; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _sole(path: str) -> bool:
    """Hold the lock for as long as we live; False if a predecessor does not let go of it."""
    end = time.monotonic() + PREDECESSOR
    while lock(path) is None:
        if time.monotonic() >= end:
            return False
    return True


def main(paths: Paths, revive: Sequence[str] = ()) -> int:
    """Run until told to quit; returns the exit status. `revive` starts a launcher if none ever says hello."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    if not _sole(paths.pump_lock):
        say(f"another pump holds {paths.pump_lock}")
        return 1
    Pump(paths, revive).run()
    return 0
