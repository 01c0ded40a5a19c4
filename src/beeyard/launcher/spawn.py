"""Starts one process: by fork for one, by posix_spawn for many.

A fork from this small process costs 1.4 ms and bears the child into its cgroup; posix_spawn costs 0.25 ms, but then we
have to enter the cgroup and leave it again, which takes 10 ms, or next to nothing right after another did it. So a
single restart forks, and a thousand starts do not.

What posix_spawn can't do in the child is done here around it, which is safe because the launcher has one thread:
working folder, umask and the limit of open files are set, the process is spawned, and they are set back. User, nice
and other limits can't be set back by everyone, or would hit ourselves (we may have used more CPU time than a worker
is to have): those take a fork.
"""

import contextlib
import fcntl
import os
import resource
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from beeyard.launcher.kernel import fork_into
from beeyard.launcher.refusals import SpawnFailed, in_folder, in_preparation, of_program
from beeyard.launcher.trees import Tree

_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""A new program gets them as the kernel has them, whatever we, Python, or a shell with `nohup` or `&` ignore."""

FIRST = 3
"""The descriptor of the first listening socket, as sd_listen_fds(3) has it."""


class Order(NamedTuple):
    """One process to start; absent fields leave the child as the launcher is."""

    argv: list[str]
    environment: Mapping[str, str]
    folder: str | None = None
    umask: int | None = None
    nice: int = 0
    limits: Mapping[str, Sequence[int]] = {}
    user: int | None = None
    group: int | None = None
    groups: Sequence[int] = ()
    sockets: Sequence[tuple[str, int]] = ()
    """Names and descriptors of listening sockets, which it is given as sd_listen_fds(3) says."""

    @classmethod
    def of(
        cls, message: Mapping[str, Any], environment: Mapping[str, str], sockets: Sequence[tuple[str, int]] = ()
    ) -> "Order":
        """From the fields of a `spawn` or `run` message."""
        return cls(
            argv=message["argv"],
            environment=environment,
            folder=message.get("folder"),
            umask=message.get("umask"),
            nice=message.get("nice", 0),
            limits=message.get("limits") or {},
            user=message.get("user"),
            group=message.get("group"),
            groups=message.get("groups") or (),
            sockets=sockets,
        )


class Spawner:
    """Knows the state to come back to, and the file limit that workers get unless they ask for another."""

    def __init__(self, file_limit: tuple[int, int]) -> None:
        self._home = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._limits: dict[str, Sequence[int]] = {"nofile": file_limit}

    def spawn(self, order: Order, out: int, err: int, tree: Tree | None, *, many: bool) -> int:
        """Start it as leader of a session of its own, stdin empty, `out` and `err` reopened for both directions.

        Args:
            tree: where it belongs.
            many: more are about to follow: what is slow once and fast then is worth it.

        Returns:
            The pid; the program was found and is running.

        Raises:
            SpawnFailed: with the reason in words.
        """
        alone = order.user is not None or order.group is not None or bool(order.nice or order.limits or order.sockets)
        door = tree.door() if tree is not None and (alone or not many) else None
        try:
            if alone or door is not None:
                return self._fork(order, out, err, door)
        except OSError:  # This kernel has no clone3 into a cgroup, or a filter forbids it.
            pass
        finally:
            if door is not None:
                os.close(door)
        if tree is None:
            return self._fork(order, out, err, None) if alone else self._posix_spawn(order, out, err)
        tree.enter()
        try:
            return self._fork(order, out, err, None) if alone else self._posix_spawn(order, out, err)
        finally:
            tree.leave()

    def _posix_spawn(self, order: Order, out: int, err: int) -> int:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            # A file description of its own: a program that makes its stdout non-blocking changes nobody else's.
            (os.POSIX_SPAWN_OPEN, 1, f"/proc/self/fd/{out}", os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 2, f"/proc/self/fd/{err}", os.O_RDWR, 0),
        ]
        with self._surroundings(order):
            try:
                return os.posix_spawn(
                    order.argv[0],
                    order.argv,
                    order.environment,
                    file_actions=actions,
                    setsid=True,
                    setsigmask=[],
                    setsigdef=_DEFAULTS,
                )
            except OSError as error:
                raise of_program(order.argv[0], error) from None

    @contextlib.contextmanager
    def _surroundings(self, order: Order) -> Iterator[None]:
        before: list[tuple[int, tuple[int, int]]] = []
        umask = None
        try:
            for name, (soft, _) in self._limits.items():
                number = _number(name)
                old = resource.getrlimit(number)
                if soft != old[0]:
                    try:
                        resource.setrlimit(number, (_within(soft, old[1]), old[1]))
                    except (OSError, ValueError) as error:
                        raise in_preparation(f"limit {name} = {soft}", error) from None
                    before.append((number, old))
            if order.umask is not None:
                umask = os.umask(order.umask)
            if order.folder is not None:
                try:
                    os.chdir(order.folder)
                except OSError as error:
                    raise in_folder(order.folder, error) from None
            yield
        finally:
            if order.folder is not None:
                os.fchdir(self._home)
            if umask is not None:
                os.umask(umask)
            for number, old in before:
                resource.setrlimit(number, old)

    def _fork(self, order: Order, out: int, err: int, door: int | None) -> int:
        """A child of its own for this one."""
        report, answer = os.pipe2(os.O_CLOEXEC)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = fork_into(door)
            if pid == 0:
                try:
                    self.leave_home()
                    self.become(order, f"/proc/self/fd/{out}", f"/proc/self/fd/{err}", answer)
                finally:
                    os._exit(127)  # Nothing may return from here into the launcher's own code.
        except OSError:
            os.close(report)
            os.close(answer)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(answer)
        with open(report, "rb") as file:
            failure = file.read()
        if failure:
            os.waitpid(pid, 0)
            raise SpawnFailed.reported(failure)
        return pid

    def leave_home(self) -> None:
        """In a child, before anything else: a session of its own, and signals as the kernel has them."""
        os.setsid()
        for signo in _DEFAULTS:
            signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def become(self, order: Order, out: str, err: str, answer: int) -> NoReturn:
        """In a child: become the program, or write to `answer` why not.

        In this order: what needs privileges, then the user, then what that user must be allowed to do.
        """
        doing = "its output"
        try:
            for number, path in ((0, "/dev/null"), (1, out), (2, err)):
                fd = os.open(path, os.O_RDWR)
                os.dup2(fd, number)
                if fd > 2:
                    os.close(fd)
            doing = "its listening sockets"
            # Out of the way: it may have a number that one of the sockets is to have.
            answer = fcntl.fcntl(answer, fcntl.F_DUPFD_CLOEXEC, FIRST + len(order.sockets))
            environment = {**order.environment, **_handed(order.sockets)}
            for name, (soft, hard) in {**self._limits, **order.limits}.items():
                doing = f"limit {name}"
                resource.setrlimit(_number(name), (soft, hard))
            doing = f"nice {order.nice}"
            if order.nice:
                os.setpriority(os.PRIO_PROCESS, 0, order.nice)
            doing = f"group {order.group}"
            if order.group is not None:
                if os.geteuid() == 0:
                    os.setgroups(list(order.groups))
                os.setgid(order.group)
            doing = f"user {order.user}"
            if order.user is not None:
                os.setuid(order.user)
            if order.umask is not None:
                os.umask(order.umask)
            if order.folder is not None:
                try:
                    os.chdir(order.folder)
                except OSError as error:
                    raise in_folder(order.folder, error) from None
            doing = ""
            os.execve(order.argv[0], order.argv, dict(environment))
        except SpawnFailed as failure:
            os.write(answer, failure.report())
        except BaseException as error:
            refused = in_preparation(doing, error) if doing else of_program(order.argv[0], error)
            os.write(answer, refused.report())
        os._exit(127)


def _handed(sockets: Sequence[tuple[str, int]]) -> dict[str, str]:
    """In a child: put these where sd_listen_fds(3) looks for them; returns what it looks for in the environment."""
    if not sockets:
        return {}
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST + len(sockets)) for _, fd in sockets]
    for number, fd in enumerate(copies):
        os.dup2(fd, FIRST + number)
    names = ":".join(name for name, _ in sockets)
    return {"LISTEN_FDS": str(len(sockets)), "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": names}


def limit(pids: Iterable[int], limits: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Bound processes that run. Returns for each limit what is in the way, or nothing. What ended is none of it."""
    refused = {}
    for name, (soft, hard) in limits.items():
        refused[name] = ""
        for pid in pids:
            try:
                resource.prlimit(pid, _number(name), (soft, hard))
            except ProcessLookupError:
                continue
            except (OSError, ValueError) as error:
                refused[name] = (isinstance(error, OSError) and error.strerror) or str(error)
    return refused


def _number(name: str) -> int:
    return int(getattr(resource, f"RLIMIT_{name.upper()}"))


def _within(soft: int, hard: int) -> int:
    if hard == resource.RLIM_INFINITY:
        return soft
    return hard if soft == resource.RLIM_INFINITY else min(soft, hard)
