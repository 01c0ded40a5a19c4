"""The launcher: one per host and state folder. It starts what it is told to, sees how it ends, and decides nothing.

It is the parent of every worker, and of master and pump, and none of the three depends on its life: workers and pump
go on when it dies, the master (or the pump, if the master died as well) starts another, which takes over what it finds.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from beeyard.launcher import kernel
from beeyard.launcher.attempts import Attempts
from beeyard.launcher.cgroups import forest
from beeyard.launcher.commands import Commands
from beeyard.launcher.connection import Connection
from beeyard.launcher.holding import holding
from beeyard.launcher.keeper import Companion, say
from beeyard.launcher.kernel import Identity
from beeyard.launcher.leading import MOST, QUIET, run_empty
from beeyard.launcher.locks import holder, lock
from beeyard.launcher.loop import Loop
from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import VERSION, Message, pack
from beeyard.launcher.pumping import PumpClient
from beeyard.launcher.refusals import SpawnFailed, code_of
from beeyard.launcher.sockets import Sockets
from beeyard.launcher.spawn import Spawner

AT_ONCE = 16
"""Messages handled before exits are looked at and answers are sent: a thousand spawns must not hide one exit."""

MANY = 8
"""Messages waiting from which on spawning is done in the way that is fast for many and slow for one."""

ALREADY_RUNNING = 4
"""Exit code when another launcher serves this state folder."""


OF_SOCKETS = ("listen", "lead", "signal", "kill")
"""Messages that change what sockets there are or whom connections are led to."""


class Launcher:
    """Everything one launcher holds."""

    def __init__(self, paths: Paths, loop: Loop, listener: socket.socket, spawner: Spawner, master: list[str]) -> None:
        self.paths = paths
        self.loop = loop
        self.listener = listener
        self.forest = forest(paths.identity)
        self.holding = holding(paths.identity, self.forest)
        self.attempts = Attempts(paths, loop, self.forest, self.holding, spawner)
        self.attempts.on_exit = self._report_exit
        self.attempts.many = lambda: any(len(connection.inbox) >= MANY for connection in self.connections)
        self.commands = Commands(loop, self.attempts)
        revive = [*_program("launcher", paths), "--", *master]
        self.pump = PumpClient(paths, loop, [*_program("pump", paths), "--", *revive], revive)
        self.sockets = Sockets(self.pump.keep, self.pump.lose, self.attempts.leaders)
        self.pump.sockets = self.sockets
        self.leading = self.sockets.leading
        self.attempts.on_end = self.leading.stirred
        self.early: list[tuple[Connection, Message]] | None = None
        self.ends: dict[tuple[str, int], list[Callable[[], None]]] = {}
        self.master = Companion("master", master, paths.master_lock, loop, lambda: None) if master else None
        self.connections: set[Connection] = set()
        self.ended = False
        loop.watch(listener.fileno(), self._accept)
        loop.busy = lambda: any(connection.inbox for connection in self.connections)
        loop.after_turn.append(self._turn)

    def recall(self) -> None:
        """Have a predecessor's sockets again. Who wants some, or changes whom they are led to, waits until then."""
        self.early = []
        self.pump.recall(self.sockets.take, self._recalled)

    def _recalled(self) -> None:
        early, self.early = self.early or [], None
        for connection, message in early:
            self._handle(connection, message)

    def start(self) -> None:
        """Companions first, so that nothing a worker says waits for long."""
        self.pump.companion.ensure()
        if self.master is not None:
            self.master.ensure()

    def reap(self) -> None:
        """Collect every child that ended: workers, companions, commands, and orphans that came to us."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.pump.companion.reaped(pid, status) or (self.master is not None and self.master.reaped(pid, status)):
                continue
            if not self.commands.reaped(pid, status):
                self.attempts.reaped(pid, status, usage)

    # --- connections ------------------------------------------------------------------------------------------------

    def _accept(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            sock, _ = self.listener.accept()
            self.connections.add(Connection(self.loop, sock, self.connections.discard))

    def _turn(self) -> None:
        for connection in list(self.connections):
            for _ in range(min(AT_ONCE, len(connection.inbox))):
                self._handle(connection, connection.inbox.popleft())
        self.pump.turn()
        for connection in list(self.connections):
            connection.flush()

    def _handle(self, connection: Connection, message: Message) -> None:
        kind, number = message.get("type"), message.get("id")
        if self.early is not None and (message.get("sockets") or kind in OF_SOCKETS):
            self.early.append((connection, message))
            return

        def answer(**fields: Any) -> None:
            if number is not None:
                connection.send({"re": number, **fields})

        handler = HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            answer(error="unknown", text=f"this launcher (protocol {VERSION}) does not know {kind!r}")
            return
        try:
            handler(self, connection, message, answer)
        except (SpawnFailed, OSError) as failure:
            answer(error="failed", text=str(failure), code=code_of(failure))
        except (KeyError, TypeError, ValueError) as error:
            answer(error="malformed", text=f"{kind}: {type(error).__name__}: {error}")

    def _report_exit(self, report: dict[str, Any]) -> None:
        for connection in self.connections:
            if connection.master:
                connection.send({"type": "exited", **report})

    # --- what can be asked ------------------------------------------------------------------------------------------

    def hello(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Who we are; a master gets the table as well, exits nobody acknowledged included, and later exits."""
        connection.master = message.get("role") == "master"
        answer(
            version=VERSION,
            pid=os.getpid(),
            pump=self.pump.companion.pid,
            master=self.master and self.master.pid,
            boot=kernel.boot_id(),
            namespace=kernel.pid_namespace(),
            means=self.forest.means,
            holds=self.holding.means,
            attempts=self.attempts.reports(),
        )

    def spawn(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Start an attempt; harmless twice."""
        if logs := message.get("logs"):
            # Pipes first: the pump opens them by name.
            self.attempts.pipes(message["worker"])
            self.pump.watch(message["worker"], logs)
        held = self.sockets.want(message["worker"], message.get("sockets", ()))
        self.leading.give(message["worker"])
        for one in held:
            # Programs expect it; what a predecessor changed is the socket's own, not of its descriptor.
            if not self.attempts.leaders(one.owner):
                one.sock.setblocking(True)
        report = self.attempts.spawn(message, [(one.name, one.sock.fileno()) for one in held])
        self.leading.stirred(message["worker"])
        answer(**report)

    def lead(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Lead connections to an attempt that is ready, or to others; harmless twice."""
        worker, attempt = message["worker"], message["attempt"]
        if self.attempts.lives(worker, attempt):
            self.leading.lead(worker, attempt, here=message["here"])
        answer()

    def listen(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Have a worker's listening sockets open, these and no others, and answer their ports; harmless twice."""
        self.sockets.want(message["worker"], message["sockets"])
        answer(ports=self.sockets.ports(message["worker"], message["sockets"]))

    def pipes(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Have pipes for a worker that writes without being a process of ours, and have them copied; harmless twice."""
        self.attempts.pipes(message["worker"])
        self.pump.watch(message["worker"], message["logs"])
        answer()

    def run(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Run a command beside an attempt and answer how it ended."""
        self.commands.run(message, lambda fields: answer(**fields))

    def adopt(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Take over a process by its identity; `gone` if that is impossible."""
        same_boot = message.get("boot", kernel.boot_id()) == kernel.boot_id()
        same_space = message.get("namespace", kernel.pid_namespace()) == kernel.pid_namespace()
        identity = Identity(message["pid"], message["start"])
        report = None
        if same_boot and same_space:
            report = self.attempts.adopt(message["worker"], message["attempt"], identity)
        if report is not None and (logs := message.get("logs")):
            self.pump.watch(message["worker"], logs)
        if report is not None and (wishes := message.get("sockets")):
            try:
                self.sockets.want(message["worker"], wishes)
            except SpawnFailed as failure:
                say(f"{message['worker']} alone has its listening sockets: {failure}")
        answer(**(report or {"gone": True}))

    def hold(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Keep an attempt that lives within this and nothing else; `gone` if there is none."""
        limits = message.get("limits") or {}
        answer(**(self.attempts.hold(message["worker"], message["attempt"], message["hold"], limits) or {"gone": True}))

    def signal(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Signal an attempt's process group; numbered signals each once. Before the first, those that connect are led
        to others, if any are ready; with `wait`, the seconds that this step has, for half of them at most."""
        worker, attempt, number = message["worker"], message["attempt"], message.get("number")
        most = min(MOST, message.get("wait", 2 * MOST) / 2)

        def send() -> None:
            self.attempts.signal(worker, attempt, message["signal"], number)
            answer()

        parted = self.leading.part(worker, attempt) if number == 1 and self.attempts.lives(worker, attempt) else []
        if parted and most >= QUIET:
            self.ends.setdefault((worker, attempt), []).append(send)
            run_empty(self.loop, parted, lambda: self._end(worker, attempt), most)
        else:
            if number is not None:
                self._end(worker, attempt)
            send()

    def _end(self, worker: str, attempt: int) -> None:
        """Send what waits for a line to run empty."""
        for send in self.ends.pop((worker, attempt), ()):
            send()

    def kill(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Kill an attempt's whole tree."""
        worker, attempt = message["worker"], message["attempt"]
        if self.attempts.lives(worker, attempt):
            self.leading.part(worker, attempt)
        self._end(worker, attempt)
        self.attempts.kill(worker, attempt)
        answer()

    def forget(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """The exit was saved."""
        self.attempts.forget(message["worker"], message["attempt"])
        answer()

    def release(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """The worker was removed."""
        self.pump.unwatch(message["worker"])
        self.attempts.release(message["worker"])
        self.sockets.release(message["worker"])
        answer()

    def table(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Every attempt."""
        answer(attempts=self.attempts.reports())

    def drain(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Answer once what a worker wrote until now is on file."""
        self.pump.drain(message["worker"], answer)

    def quit(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """End pump and launcher; refused while anything runs."""
        if living := self.attempts.living():
            answer(error="busy", text=f"{living} workers still run")
            return
        if self.master is not None:
            self.master.release()
        answer()
        connection.flush()
        self.ended = True
        self.sockets.close()
        self.pump.quit(self.loop.stop)

    def leave(self, signo: int) -> None:
        """SIGTERM: end the launcher and the master, and leave workers and pump to whoever comes next."""
        say("ending; workers go on, and whoever starts Beeyard next takes them over")
        if self.master is not None:
            self.master.release()
            if self.master.pid is not None:
                os.kill(self.master.pid, signal.SIGTERM)
        self.pump.disown()
        self.loop.stop()

    def replace(self, connection: Connection, message: Message, answer: Callable[..., None]) -> None:
        """Become another version: the same process, its children and its table, running other code."""
        argv = [str(item) for item in message["argv"]]
        if not os.access(argv[0], os.X_OK):
            answer(error="failed", text=f"{argv[0]} is no program")
            return
        answer()
        for other in self.connections:
            other.flush()
        fd = os.memfd_create("beeyard-launcher", 0)
        state = {
            **self.attempts.dump(),
            "sockets": self.sockets.dump(),
            "listener": self.listener.fileno(),
            "lock": LOCK[0],
        }
        os.write(fd, pack(state)[4:])
        for keep in (self.listener.fileno(), LOCK[0]):
            os.set_inheritable(keep, True)
        head, _, tail = _split(argv)
        say(f"becoming {' '.join(head)}")
        os.execv(argv[0], [*head, "--resume", str(fd), "--", *tail])


HANDLERS: dict[str, Callable[[Launcher, Connection, Message, Callable[..., None]], None]] = {
    handler.__name__: handler
    for handler in (
        Launcher.hello,
        Launcher.spawn,
        Launcher.listen,
        Launcher.lead,
        Launcher.pipes,
        Launcher.run,
        Launcher.adopt,
        Launcher.hold,
        Launcher.signal,
        Launcher.kill,
        Launcher.forget,
        Launcher.release,
        Launcher.table,
        Launcher.drain,
        Launcher.quit,
        Launcher.replace,
    )
}

LOCK: list[int] = []
"""The descriptor of the lock file, held as long as this process lives."""


def main(paths: Paths, arguments: list[str]) -> int:
    """Run until told to end. Returns the exit code."""
    options, _, master = _split(arguments)
    file_limit = _more_files()
    state: dict[str, Any] = {}
    try:
        if options[:1] == ["--resume"]:
            with open(int(options[1]), "rb") as file:
                file.seek(0)
                state = json.load(file)
            listener = socket.socket(fileno=state["listener"])
            for fd in (state["lock"], state["listener"]):
                os.set_inheritable(fd, False)
            LOCK.append(state["lock"])
        else:
            paths.create()
            held = lock(paths.launcher_lock)
            if held is None:
                say(f"another launcher (pid {holder(paths.launcher_lock)}) serves {paths.state}")
                return ALREADY_RUNNING
            LOCK.append(held)
            listener = _listen(paths.launcher_socket)
            with contextlib.suppress(OSError):
                paths.sweep()
    except OSError as error:
        say(f"can't start: {error}")
        return 5
    for signo in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(signo, signal.SIG_IGN)
    os.chdir("/")  # Where workers start that ask for no folder, whoever started us from wherever.
    kernel.become_subreaper()
    loop = Loop()
    launcher = Launcher(paths, loop, listener, Spawner(file_limit), master)
    if state:
        launcher.attempts.load(state)
        launcher.sockets.load(state.get("sockets", ()))
    else:
        launcher.attempts.survey()
        launcher.recall()
    _on_signals(loop, {signal.SIGCHLD: lambda signo: launcher.reap(), signal.SIGTERM: launcher.leave})
    launcher.start()
    gc.freeze()  # A forked child then copies fewer pages.
    launcher.reap()  # What ended while nobody listened for SIGCHLD.
    loop.run()
    launcher.attempts.close()
    launcher.holding.clear()
    launcher.forest.clear()
    with contextlib.suppress(OSError):
        os.unlink(paths.launcher_socket)
        if launcher.ended:
            paths.clear()
    return 0


def _listen(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.setblocking(False)
    listener.listen(16)
    return listener


def _more_files() -> tuple[int, int]:
    """Allow ourselves all the descriptors there are; returns what workers get.

    Master, pump, and through them the next launcher inherit what we took, so the first one leaves word of what was.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = int(os.environ.setdefault("BEEYARD_NOFILE", str(soft)))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def _on_signals(loop: Loop, handlers: dict[int, Callable[[int], None]]) -> None:
    """Signals become descriptors in the loop: handlers run between two turns, never inside one."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for signo in handlers:
        signal.signal(signo, lambda *_: None)

    def ready(events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            for signo in set(reader.recv(4096)):
                handlers[signo](signo)

    loop.watch(reader.fileno(), ready)
    _KEPT.extend((reader, writer))


_KEPT: list[socket.socket] = []


def _program(role: str, paths: Paths) -> list[str]:
    entry = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    return [sys.executable, "-I", "-S", entry, role, "--state", paths.state]


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], "--", arguments[at + 1 :]
