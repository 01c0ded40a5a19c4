"""The master's end of the launcher: requests, events, and a launcher that is there whenever one is needed."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from beeyard.domain.errors import Rejected, Unavailable
from beeyard.launcher import protocol
from beeyard.launcher.locks import holder
from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import VERSION, BrokenPeer, Message, Unpacker, pack
from beeyard.ports.provider import Answer

LARGEST_LOG = 10 * 1024**2
"""Bytes of daemon.log at which the next launcher begins a new one; one old one is kept."""
START_AGAIN = 1.0
"""Seconds after which a launcher that was started and does not answer is taken not to come."""
MOURNING = 0.05
"""Seconds without a launcher before another one is started."""
PATIENCE = 10.0
"""Seconds a request waits for a launcher that is being started again."""


def launcher_argv(paths: Paths, master: Sequence[str]) -> list[str]:
    """The command line of a launcher for this state folder; an empty `master` means that it keeps none alive."""
    entry = os.path.join(os.path.dirname(protocol.__file__), "__main__.py")
    return [sys.executable, "-I", "-S", entry, "launcher", "--state", paths.state, "--", *master]


def start_launcher(paths: Paths, master: Sequence[str]) -> int:
    """Start one, detached: no terminal, no session of ours. One that finds another at work ends by itself.

    Raises:
        Unavailable: the state folder can't be made or written; the text names it.
    """
    try:
        paths.create()
        with contextlib.suppress(FileNotFoundError):
            if os.path.getsize(paths.daemon_log) > LARGEST_LOG:
                os.replace(paths.daemon_log, f"{paths.daemon_log}.1")
        log = os.open(paths.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(
            "state_unwritable",
            "the state folder {path} can't be used: {reason}",
            path=error.filename or paths.state,
            reason=error.strerror,
            hint="name another one with --state-dir or BEEYARD_STATE_DIR",
        ) from None
    try:
        argv = launcher_argv(paths, master)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigmask=[])
    finally:
        os.close(log)


async def quit_launcher(paths: Paths) -> bool:
    """Ask the launcher of this state folder to end; False when it answered that workers still run."""
    return await _last_order(paths, {"type": "quit"})


async def replace_launcher(paths: Paths, master: Sequence[str]) -> bool:
    """Have the launcher become the one installed now: same process, same children, other code. False: it refused."""
    return await _last_order(paths, {"type": "replace", "argv": launcher_argv(paths, master)})


async def _last_order(paths: Paths, message: Message) -> bool:
    """One after which the launcher closes the connection; False when it answers with an error instead.

    One that was just killed is waited for: its pump brings it back, and then it has to hear this.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(paths.launcher_socket)
            break
        except OSError:
            away = holder(paths.launcher_lock) is None and holder(paths.pump_lock) is None
            if away or time.monotonic() >= deadline:
                return True
            await asyncio.sleep(0.05)
    try:
        writer.write(pack({**message, "id": 1}))
        unpacker = Unpacker()
        while data := await reader.read(65536):
            if any("error" in answer for answer in unpacker.feed(data)):
                return False
        return True
    finally:
        writer.close()


class LauncherClient(asyncio.Protocol):
    """One connection at a time. Each begins with `on_connect(hello)`, then `on_greeted` for all who only want to know,
    and ends with `on_lost()`."""

    def __init__(self, paths: Paths, master: Sequence[str] = ()) -> None:
        self.paths = paths
        self.notify_socket = paths.notify_socket
        self.master_socket = paths.master_socket
        self.worker_fifo = paths.worker_fifo
        self._master = master
        self._transport: asyncio.Transport | None = None
        self._connected = asyncio.Event()
        self._unpacker = Unpacker()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._out: list[bytes] = []
        self._lost = asyncio.Event()
        self._retired = False
        self.hello: Message = {}
        self.on_connect: Callable[[Message], None] = lambda hello: None
        self.on_greeted: list[Callable[[], None]] = []
        self.on_lost: Callable[[], None] = lambda: None
        self.on_event: Callable[[Message], None] = lambda message: None

    async def run(self) -> None:
        """Keep a connection until cancelled, with a launcher at its other end: started if none answers."""
        next_start = 0.0
        while True:
            try:
                await self._connect()
            except OSError:
                # The one just started needs some 50 ms; a second one would only find it and end.
                if time.monotonic() >= next_start and not self._retired and not self._serving():
                    start_launcher(self.paths, self._master)
                    next_start = time.monotonic() + START_AGAIN
                await asyncio.sleep(0.02)
                continue
            await self._lost.wait()
            # One that was ended tells us to end as well, and that may be heard only after its end was seen.
            next_start = max(next_start, time.monotonic() + MOURNING)

    def retire(self) -> None:
        """Start no launcher any more: we are about to end, and one that ended with us shall stay away."""
        self._retired = True

    async def request(self, kind: str, **fields: Any) -> Message:
        """Ask and wait for the answer.

        Raises:
            Rejected: the launcher answered with an error.
            Unavailable: no launcher within PATIENCE, or it died before it answered.
        """
        if not self._connected.is_set():
            try:
                await asyncio.wait_for(self._connected.wait(), PATIENCE)
            except TimeoutError:
                raise Unavailable(
                    "launcher_unreachable",
                    "no launcher answers at {socket}",
                    socket=self.paths.launcher_socket,
                    hint=f"see {self.paths.daemon_log}",
                ) from None
        return await self._ask(kind, fields)

    async def beside(self, timeout: float, **order: Any) -> Answer:
        """Run a command beside a worker. One that can't be started is an answer without a code. Raises Unavailable."""
        try:
            report = await self.request("run", timeout=timeout, **order)
        except Rejected as error:
            return Answer(None, str(error))
        return Answer(report.get("code"), report["output"], report["timed_out"])

    async def _ask(self, kind: str, fields: Mapping[str, Any]) -> Message:
        self._number += 1
        number = self._number
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        self.send({"type": kind, "id": number, **fields})
        try:
            answer = await future
        finally:
            self._answers.pop(number, None)
        if "error" in answer:
            code = answer.get("code") or f"launcher_{answer['error']}"
            raise Rejected(code, "{text}", text=answer.get("text", answer["error"]))
        return answer

    def send(self, message: Message) -> None:
        """Without an answer; dropped while there is no connection."""
        if self._transport is not None:
            if not self._out:
                # One write for all messages of this turn of the loop.
                asyncio.get_running_loop().call_soon(self._flush)
            self._out.append(pack(message))

    def pid(self) -> int | None:
        """The launcher's, while it is there."""
        return self.hello.get("pid") if self._transport is not None else None

    def pump_pid(self) -> int | None:
        """The pump's, as the launcher last told."""
        return self.hello.get("pump") if self._transport is not None else None

    async def wait_connected(self) -> None:
        """Until the first hello was answered."""
        await self._connected.wait()

    def close(self) -> None:
        """End the connection; `run` would make another, so cancel it first."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._lost.clear()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        try:
            messages = self._unpacker.feed(data)
        except BrokenPeer:
            assert self._transport is not None
            self._transport.abort()
            return
        for message in messages:
            if (number := message.get("re")) is not None:
                future = self._answers.get(number)
                if future is not None and not future.done():
                    future.set_result(message)
            else:
                self.on_event(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        greeted = self._connected.is_set()  # Not by one that died between taking the connection and its hello.
        self._connected.clear()
        self._unpacker = Unpacker()
        self._out.clear()
        gone = Unavailable("launcher_gone", "the launcher ended before it answered", hint="it is being started again")
        for future in self._answers.values():
            if not future.done():
                future.set_exception(gone)
        self._answers.clear()
        self._lost.set()
        if greeted:
            self.on_lost()

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: self, self.paths.launcher_socket)
        with contextlib.suppress(Unavailable, Rejected):
            self.hello = await self._ask("hello", {"version": VERSION, "role": "master"})
            self.on_connect(self.hello)
            self._connected.set()
            for greeted in self.on_greeted:
                greeted()

    def _serving(self) -> bool:
        return holder(self.paths.launcher_lock) is not None
