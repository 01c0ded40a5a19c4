"""The table of attempts: starts them once, sees them end, keeps each exit until it is acknowledged.

Who may rely on what. `spawn` is idempotent by (worker, attempt), and refuses a second attempt while an older one of
the same worker lives: no caller's mistake can double a worker. An exit is reported when nothing of the attempt's tree
is left. What a predecessor started is found again by `survey`.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from signal import SIGKILL
from typing import Any

from beeyard.launcher import kernel
from beeyard.launcher.controllers import Hold
from beeyard.launcher.holding import Holding
from beeyard.launcher.keeper import say
from beeyard.launcher.kernel import Identity
from beeyard.launcher.kills import Kills
from beeyard.launcher.loop import Loop
from beeyard.launcher.paths import Paths
from beeyard.launcher.refusals import SpawnFailed
from beeyard.launcher.spare import Spare
from beeyard.launcher.spawn import Order, Spawner, limit
from beeyard.launcher.trees import MARK, Forest, Tree

LINGER = 0.005
"""Seconds between two looks at a tree whose leader ended and that is not empty yet."""
LINGER_MOST = 2.0
"""Seconds after which an exit is reported although the kernel has not yet let go of the rest of the tree."""

STREAMS = ("stdout", "stderr")
REST = 0.002
"""Seconds after a spawn until the next spare is forked."""

Key = tuple[str, int]


class Attempt:
    """One incarnation. `exit` is set when its leader ended, `done` when it may be reported.

    `asked`: how many steps of a stop were taken; `killed`: by us. `held`: by what it is kept within its limits.
    """

    __slots__ = (
        "asked",
        "attempt",
        "done",
        "exit",
        "held",
        "host_kills",
        "identity",
        "killed",
        "pidfd",
        "tree",
        "waited",
        "worker",
    )

    def __init__(self, worker: str, attempt: int, identity: Identity, tree: Tree, pidfd: int | None = None) -> None:
        self.worker = worker
        self.attempt = attempt
        self.identity = identity
        self.tree = tree
        self.pidfd = pidfd
        self.exit: dict[str, Any] | None = None
        self.asked = 0
        self.killed = False
        self.held: dict[str, str] = {}
        self.host_kills = 0
        self.done = False
        self.waited = 0.0

    @property
    def name(self) -> str:
        """Unlike every other attempt's."""
        return f"{self.worker}@{self.attempt}"

    def report(self) -> dict[str, Any]:
        """This attempt as the table shows it."""
        return {
            "worker": self.worker,
            "attempt": self.attempt,
            "pid": self.identity.pid,
            "start": self.identity.start,
            "exit": self.exit if self.done else None,
            **({"held": self.held} if self.held else {}),
        }


class Attempts:
    """All attempts that this launcher knows."""

    def __init__(self, paths: Paths, loop: Loop, forest: Forest, holding: Holding, spawner: Spawner) -> None:
        self._paths = paths
        self._loop = loop
        self._forest = forest
        self._holding = holding
        self._spawner = spawner
        self._table: dict[str, dict[int, Attempt]] = {}
        self._by_pid: dict[int, Attempt] = {}
        self._pipes: dict[str, tuple[int, int]] = {}
        self._spare: Spare | None = None
        self._base = {k: v for k, v in os.environ.items() if not k.startswith("BEEYARD_")}
        self.on_exit: Callable[[dict[str, Any]], None] = lambda report: None
        self.on_end: Callable[[str], None] = lambda worker: None
        self.many: Callable[[], bool] = lambda: False
        self._kills = Kills(holding)
        forest.strays = self._strays

    def reports(self) -> list[dict[str, Any]]:
        """The whole table."""
        return [attempt.report() for attempt in self._all()]

    def living(self) -> int:
        """How many attempts have not ended."""
        return sum(not attempt.done for attempt in self._all())

    # --- starting ---------------------------------------------------------------------------------------------------

    def spawn(self, message: Mapping[str, Any], sockets: Sequence[tuple[str, int]] = ()) -> dict[str, Any]:
        """Start an attempt with these listening sockets, or find that it was started. Raises SpawnFailed."""
        worker, number = message["worker"], message["attempt"]
        known = self._get(worker, number)
        if known is not None:
            return {**known.report(), "known": True}
        for other in self._of(worker):
            if not other.done:
                raise SpawnFailed(f"attempt {other.attempt} of {worker} still runs (pid {other.identity.pid})")
        out, err = self.pipes(worker)
        if message.get("user") is not None:
            # So that the program may open /dev/stdout again, which asks for permission on the pipe itself.
            os.fchown(out, message["user"], -1)
            os.fchown(err, message["user"], -1)
        order = Order.of(message, self._environment(worker, number, message), sockets)
        many = self.many()
        hold = message.get("hold") or {}
        moves = self._holding.moves(hold)
        # The one that is ready was born without these sockets.
        pass_over = bool(sockets) or (many and not moves)
        spare, self._spare = (None, self._spare) if pass_over else (self._spare, None)
        if spare is None and moves:
            # Its first instruction has to be within the limits: it waits, forked, until it was moved there.
            spare = Spare.anyhow(self._forest.plant(worker, number), self._spawner, [fd for _, fd in sockets])
        tree = spare.tree if spare is not None else self._forest.plant(worker, number)
        name = f"{worker}@{number}"
        waiting = [spare.pid] if spare is not None else []
        try:
            held = self._holding.hold(name, tree.folder, hold, lambda: waiting) if hold else {}
            if spare is not None:
                pid = spare.become(order, out, err)
            else:
                pid = self._spawner.spawn(order, out, err, tree, many=many)
        except SpawnFailed:
            self._clear_later(tree, name)
            raise
        if self._spare is None and not many:
            self._loop.later(REST, self._make_spare)
        seen = kernel.stat(pid)
        attempt = self._add(worker, number, Identity(pid, seen.start if seen else 0), tree)
        attempt.held = held
        return attempt.report()

    def hold(self, worker: str, number: int, hold: Hold, limits: Mapping[str, Sequence[int]]) -> dict[str, Any] | None:
        """Keep an attempt that lives within this from now on; None when it is gone."""
        attempt = self._get(worker, number)
        if attempt is None or attempt.exit is not None:
            return None
        members = attempt.tree.members
        attempt.held = self._holding.hold(attempt.name, attempt.tree.folder, hold, members, late=True)
        return {**attempt.report(), "limited": limit(members(), limits)}

    def _make_spare(self) -> None:
        """When there is time for it. Without cgroups there is no use: posix_spawn is faster than any fork."""
        if self._spare is None and self._forest.slow_to_enter:
            # A name nobody had: the attempt that it becomes keeps it, over the lives of several launchers.
            with contextlib.suppress(OSError):
                self._spare = Spare(self._forest.plant("spare", time.monotonic_ns()), self._spawner)

    def close(self) -> None:
        """Keep nothing ready any more."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            spare.discard()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(spare.pid, 0)

    def run(self, message: Mapping[str, Any], out: int) -> int:
        """Start a command beside an attempt, in its tree, with its environment. Raises SpawnFailed. Returns the pid."""
        worker, number = message["worker"], message["attempt"]
        known = self._get(worker, number)
        environment = self._environment(worker, number, message)
        environment[MARK] += "/command"  # Nobody may take it for the attempt itself.
        order = Order.of(message, environment)
        tree = known.tree if known is not None and known.exit is None else None
        return self._spawner.spawn(order, out, out, tree, many=False)

    def pipes(self, worker: str) -> tuple[int, int]:
        """The worker's two pipes, made on first use and kept open: while nobody reads, nothing is lost."""
        if worker not in self._pipes:
            out, err = (self._pipe(self._paths.worker_fifo(worker, stream)) for stream in STREAMS)
            self._pipes[worker] = (out, err)
        return self._pipes[worker]

    def _pipe(self, path: str) -> int:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SpawnFailed(f"pipe {path}: {error.strerror}") from None

    def _environment(self, worker: str, attempt: int, message: Mapping[str, Any]) -> dict[str, str]:
        mark = f"{self._paths.identity}/{worker}/{attempt}"
        base = {name: value for name, value in self._base.items() if name not in message.get("without", ())}
        return {**base, **message.get("environment", {}), "BEEYARD_WORKER": worker, MARK: mark}

    def _add(self, worker: str, number: int, identity: Identity, tree: Tree, pidfd: int | None = None) -> Attempt:
        attempt = Attempt(worker, number, identity, tree, pidfd)
        if hasattr(tree, "leader"):
            tree.leader = identity.pid
        self._table.setdefault(worker, {})[number] = attempt
        self._by_pid[identity.pid] = attempt
        attempt.host_kills = self._kills.of_host()
        if pidfd is not None:
            self._loop.watch(pidfd, lambda _: self._adopted_ended(attempt))
        return attempt

    # --- finding again ----------------------------------------------------------------------------------------------

    def survey(self) -> None:
        """Take over what a predecessor left running: by its cgroups and by the mark in the environment.

        The leader of an attempt leads a session, and is the oldest of those that do.
        """
        found: dict[Key, set[int]] = {}
        for pid in kernel.processes():
            if key := self._key(pid):
                found.setdefault(key, set()).add(pid)
        for tree in self._forest.standing():
            # A program that writes over its environment hides its mark, but not from those in the same cgroup.
            members = tree.members()
            if key := next(filter(None, map(self._key, members)), None):
                found[key].update(members)
        for (worker, number), pids in found.items():
            seen = {pid: look for pid in pids if (look := kernel.stat(pid)) and look.state not in "ZX"}
            leaders = [Identity(pid, look.start) for pid, look in seen.items() if look.session == pid]
            if leaders and self._get(worker, number) is None:
                self.adopt(worker, number, min(leaders, key=lambda identity: identity.start))
        self._holding.sweep(attempt.name for attempt in self._all())

    def _key(self, pid: int) -> Key | None:
        """Whose process this is, by its mark."""
        identity, _, rest = kernel.environment(pid).get(MARK.encode(), b"").decode().partition("/")
        worker, _, number = rest.partition("/")
        return (worker, int(number)) if identity == self._paths.identity and number.isdigit() else None

    def _sweep(self, worker: str, number: int) -> None:
        """The leader ended and nobody saw it: end what it left behind."""
        left = [pid for pid in kernel.processes() if self._key(pid) == (worker, number)]
        for tree in [*self._forest.standing(), self._forest.plant(worker, number)]:
            if set(left) & set(tree.members()):
                say(f"{worker} (attempt {number}) left {left} behind: killed")
                tree.kill()
                self._clear_later(tree, f"{worker}@{number}")

    def adopt(self, worker: str, number: int, identity: Identity) -> dict[str, Any] | None:
        """Take over a process that is not our child; None when it is gone."""
        known = self._get(worker, number)
        if known is not None:
            return known.report()
        pidfd = kernel.open_process(identity)
        if pidfd is None:
            self._sweep(worker, number)
            return None
        seen = kernel.stat(identity.pid)
        if seen is not None and seen.parent == os.getpid():  # Ours after all, across an exec: reaped like any child.
            os.close(pidfd)
            pidfd = None
        with contextlib.suppress(SpawnFailed):
            self.pipes(worker)
        return self._add(worker, number, identity, self._forest.plant(worker, number, identity.pid), pidfd).report()

    # --- ending -----------------------------------------------------------------------------------------------------

    def signal(self, worker: str, number: int, signo: int, turn: int | None = None) -> None:
        """Send a signal to the attempt's process group; to all of its tree when the leader is gone already.

        A `turn` that was taken before is not taken again.
        """
        attempt = self._get(worker, number)
        if attempt is None or attempt.done or (turn is not None and turn <= attempt.asked):
            return
        attempt.asked = turn or max(attempt.asked, 1)
        if attempt.exit is None:
            self._send(attempt, signo)
        else:
            for pid in attempt.tree.members():
                with contextlib.suppress(OSError):
                    os.kill(pid, signo)

    def _send(self, attempt: Attempt, signo: int) -> None:
        with contextlib.suppress(OSError):
            if attempt.pidfd is None:
                # Our own child, not reaped yet: the pid can't be anybody else's.
                os.killpg(attempt.identity.pid, signo)
            else:
                kernel.signal_group(attempt.pidfd, attempt.identity, signo)

    def kill(self, worker: str, number: int) -> None:
        """SIGKILL to everything the attempt started."""
        attempt = self._get(worker, number)
        if attempt is not None and not attempt.done:
            attempt.killed = True
            if attempt.exit is None:
                self._send(attempt, SIGKILL)
            attempt.tree.kill()

    def reaped(self, pid: int, status: int, usage: Any) -> None:
        """A child ended: an attempt's leader, or an orphan of one."""
        if self._spare is not None and pid == self._spare.pid:
            self._spare.discard()
            self._spare = None
        attempt = self._by_pid.get(pid)
        if attempt is None or attempt.exit is not None:
            return
        ending = kernel.ending(status)
        ending["cpu"] = round(usage.ru_utime + usage.ru_stime, 3)
        ending["max_rss"] = usage.ru_maxrss * 1024
        self._leader_ended(attempt, ending)

    def _adopted_ended(self, attempt: Attempt) -> None:
        """A pidfd became readable. Until its parent has reaped it, who may not read /proc has to wait for the code."""
        assert attempt.pidfd is not None
        status = kernel.exit_status(attempt.pidfd, attempt.identity.pid)
        self._loop.forget(attempt.pidfd)
        if status is None and attempt.waited < LINGER_MOST and kernel.stat(attempt.identity.pid) is not None:
            attempt.waited += LINGER
            self._loop.later(LINGER, lambda: self._adopted_ended(attempt))
            return
        attempt.waited = 0.0
        os.close(attempt.pidfd)
        attempt.pidfd = None
        self._leader_ended(attempt, kernel.ending(status))

    def _leader_ended(self, attempt: Attempt, ending: dict[str, Any]) -> None:
        self._by_pid.pop(attempt.identity.pid, None)
        attempt.exit = ending
        self.on_end(attempt.worker)
        self._conclude(attempt)

    def _conclude(self, attempt: Attempt) -> None:
        """Report the end once the tree is empty. What outlives an end nobody asked for is killed; after a stop the
        rest has the time that the stop sequence gives it."""
        assert attempt.exit is not None
        if attempt.done:
            return
        asked = attempt.killed or bool(attempt.asked)
        self._kills.tell(attempt.exit, attempt.name, attempt.tree.folder, attempt.host_kills, asked=asked)
        members = [] if attempt.tree.remove() else attempt.tree.members()
        if members and attempt.waited < LINGER_MOST:
            if not attempt.asked:
                if not attempt.waited:
                    attempt.exit["leftovers"] = len(members)
                    attempt.tree.kill()
                attempt.waited += LINGER
            self._loop.later(LINGER, lambda: self._conclude(attempt))
            return
        attempt.done = True
        self._clear_later(attempt.tree, attempt.name)
        self.on_exit(attempt.report())

    def _clear_later(self, tree: Tree, name: str) -> None:
        """The kernel lets go of the last process of a cgroup a little after it was reaped (seen on Linux 6.18)."""
        if not all([tree.remove(), self._holding.remove(name)]):
            self._loop.later(LINGER_MOST, lambda: self._clear_later(tree, name))

    def forget(self, worker: str, number: int) -> None:
        """The exit is safe elsewhere."""
        attempt = self._get(worker, number)
        if attempt is not None and attempt.done:
            del self._table[worker][number]

    def release(self, worker: str) -> None:
        """The worker was removed: close its pipes and delete them."""
        if any(not attempt.done for attempt in self._of(worker)):
            return
        self._table.pop(worker, None)
        for fd in self._pipes.pop(worker, ()):
            os.close(fd)
        for stream in STREAMS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._paths.worker_fifo(worker, stream))

    # --- across an exec ---------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """What the next incarnation of this very process needs; the pipes' descriptors are made to survive an exec."""
        for fds in self._pipes.values():
            for fd in fds:
                os.set_inheritable(fd, True)
        attempts = [
            {**attempt.report(), "ended": attempt.exit, "asked": attempt.asked, "killed": attempt.killed}
            for attempt in self._all()
        ]
        return {"attempts": attempts, "pipes": self._pipes}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over from `dump`."""
        for worker, fds in state["pipes"].items():
            for fd in fds:
                os.set_inheritable(fd, False)
            self._pipes[worker] = (fds[0], fds[1])
        for row in state["attempts"]:
            worker, number, identity = row["worker"], row["attempt"], Identity(row["pid"], row["start"])
            tree = self._forest.plant(worker, number, identity.pid)
            if row["ended"] is None:
                if self.adopt(worker, number, identity) is None:
                    self._leader_ended(self._add(worker, number, identity, tree), kernel.ending(None))
                self._recall(row)
                continue
            attempt = self._add(worker, number, identity, tree)
            self._recall(row)
            self._leader_ended(attempt, row["ended"])

    def _recall(self, row: Mapping[str, Any]) -> None:
        attempt = self._table[row["worker"]][row["attempt"]]
        attempt.asked, attempt.killed = row["asked"], row.get("killed", False)
        attempt.held = row.get("held", {})

    # --- looking ----------------------------------------------------------------------------------------------------

    def leaders(self, owner: str) -> list[int]:
        """The pids of the living attempts of a worker, or of a group."""
        mine = (attempt for attempt in self._all() if owner in (attempt.worker, attempt.worker.partition(".")[0]))
        return [attempt.identity.pid for attempt in mine if attempt.exit is None]

    def lives(self, worker: str, number: int) -> bool:
        """Whether its leader has not ended."""
        attempt = self._get(worker, number)
        return attempt is not None and attempt.exit is None

    def _all(self) -> Iterator[Attempt]:
        return (attempt for numbers in self._table.values() for attempt in numbers.values())

    def _of(self, worker: str) -> Iterable[Attempt]:
        return self._table.get(worker, {}).values()

    def _get(self, worker: str, number: int) -> Attempt | None:
        return self._table.get(worker, {}).get(number)

    def _strays(self) -> bool:
        """Whether some child of ours is no leader: an orphan that a worker left to us."""
        return any(pid not in self._by_pid for pid in kernel.children(os.getpid()))
