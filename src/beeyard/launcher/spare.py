"""A child born ahead of its time: it waits, in a cgroup of its own, to be told what to become.

A fork costs milliseconds, more the more workers there are; what is forked already only has to exec. So the restart of
one worker does not wait for the fork: it takes the spare, and the next spare is forked when nothing else is to do.
"""

import marshal
import os
import signal
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from beeyard.launcher.kernel import fork_into
from beeyard.launcher.refusals import SpawnFailed
from beeyard.launcher.spawn import Order, Spawner
from beeyard.launcher.trees import Tree


class Spare:
    """One such child. It ends by itself when the launcher does, because nobody holds the other end of its pipe then."""

    def __init__(self, tree: Tree, spawner: Spawner, keep: Sequence[int] = (), *, inside: bool = False) -> None:
        self.tree = tree
        orders, self._orders = os.pipe2(os.O_CLOEXEC)
        self._report, report = os.pipe2(os.O_CLOEXEC)
        door = None if inside else tree.door()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = fork_into(door)
            if self.pid == 0:
                os.close(self._orders)
                os.close(self._report)
                self._wait(orders, report, spawner, keep)
        except OSError:
            self.discard()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(orders)
            os.close(report)
            if door is not None:
                os.close(door)

    @classmethod
    def anyhow(cls, tree: Tree, spawner: Spawner, keep: Sequence[int]) -> "Spare":
        """Also where nobody can be born into a cgroup: from inside it, which is slow. `keep`: open files of ours that
        it is to have as well."""
        try:
            return cls(tree, spawner, keep)
        except OSError:
            tree.enter()
            try:
                return cls(tree, spawner, keep, inside=True)
            finally:
                tree.leave()

    def become(self, order: Order, out: int, err: int) -> int:
        """Turn it into this program; returns its pid. Raises SpawnFailed; either way it is spent."""
        own = f"/proc/{os.getpid()}/fd"
        fields: tuple[Any, ...] = tuple(order)
        data = marshal.dumps((fields, f"{own}/{out}", f"{own}/{err}"))
        try:
            with open(self._orders, "wb") as orders:
                orders.write(data)
            with open(self._report, "rb") as report:
                failure = report.read()
        except BrokenPipeError:
            failure = SpawnFailed("the process kept ready for it was killed").report()
        if failure:
            os.waitpid(self.pid, 0)
            raise SpawnFailed.reported(failure)
        return self.pid

    def discard(self) -> None:
        """It is not needed, or gone."""
        for fd in (self._orders, self._report):
            os.close(fd)
        self.tree.remove()

    def _wait(self, orders: int, report: int, spawner: Spawner, keep: Sequence[int]) -> None:
        try:
            spawner.leave_home()
            # Two for each worker: closing them now is not left to the exec that somebody waits for.
            for below, above in pairwise((2, *sorted((orders, report, *keep)), os.sysconf("SC_OPEN_MAX"))):
                os.closerange(below + 1, above)
            data = b""
            while more := os.read(orders, 65536):
                data += more
            if data:
                fields, out, err = marshal.loads(data)
                spawner.become(Order(*fields), out, err, report)
        finally:
            os._exit(0)
