"""Which of a group's sockets new connections are led to: those of attempts that are ready.

At a port that instances of a group share each has a socket of its own. Knows who is ready, as it is told, who lives,
and in which order the kernel has the sockets; what is asked of the kernel stands in `reuseport`.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from beeyard.launcher import reuseport
from beeyard.launcher.held import Group, Held
from beeyard.launcher.keeper import say
from beeyard.launcher.loop import Loop
from beeyard.launcher.opening import Wish, shared
from beeyard.launcher.shelf import Entry

LOOK = 0.02
"""Seconds between two looks at a line that is to run empty."""
QUIET = 0.1
"""Seconds that it has to be empty: who knocked a moment ago is not in it yet, and who was let in has not yet spoken."""
MOST = 1.0
"""Seconds for which an end waits for that."""


def chosen(ready: Sequence[bool], living: Sequence[bool], before: Sequence[int]) -> list[int]:
    """The indexes to lead to. While none is ready it is one, so that those who wait do so in one line: that which they
    were led to before or another, of one that lives if any does."""
    if any(ready):
        return [index for index, one in enumerate(ready) if one]
    alive = [index for index, one in enumerate(living) if one]
    stay = [index for index in before if index in alive]
    return (stay or alive or list(before) or [0])[:1]


class Line:
    """The sockets of one group at one port.

    `order`: as the kernel has them, None for one that is not ours; None while that is not known. `targets`: what
    connections are led to, and `led` the indexes that the kernel was told last: they change when one goes.
    """

    def __init__(self) -> None:
        self.members: list[Held] = []
        self.order: list[socket.socket | None] | None = None
        self.targets: list[socket.socket | None] = []
        self.led: list[int] = []


class Leading:
    """All groups of this launcher.

    Args:
        keep: tells who keeps the duplicates.
        heirs: the pids of living attempts of an owner.
    """

    def __init__(self, keep: Callable[[Entry, int], None], heirs: Callable[[str], Iterable[int]]) -> None:
        self._keep = keep
        self._heirs = heirs
        self._lines: dict[Group, Line] = {}
        self._possible: bool | None = None

    def possible(self) -> bool:
        """Whether the kernel lets us; said once if not."""
        if self._possible is None:
            self._possible = reuseport.possible()
            if not self._possible:
                say("this kernel leads no connections: instances share one socket, and are asked before they are ready")
        return self._possible

    def joins(self, group: Group, wish: Wish) -> bool:
        """Whether somebody of this owner listens at the port already, so that one more does it beside that one."""
        ours = any((group.owner, group.port) == (other.owner, other.port) for other in self._lines)
        return ours or shared(wish, self._heirs(group.owner))

    def doubt(self, group: Group) -> None:
        """Somebody else's may have gone from there."""
        if group in self._lines:
            self._lines[group].order = None

    def add(self, group: Group, held: Held, *, opened: bool) -> None:
        """One more is ours: `opened` just now, or before us."""
        line = self._lines.get(group) or self._lines.setdefault(group, Line())
        known = opened and not any(self._heirs(held.owner))
        if known and line.order is not None:
            line.order.append(held.sock)
        elif known and not line.members and not any(self._heirs(group.owner)):
            line.order = [held.sock]
        else:
            line.order = None
        line.members.append(held)
        if opened:
            self._follow(line)

    def remove(self, group: Group, held: Held) -> None:
        """One is closed: at once, whoever else has it open, for the last one takes its place."""
        line = self._lines[group]
        line.members.remove(held)
        with suppress(OSError):
            held.sock.shutdown(socket.SHUT_RDWR)
        if line.order is not None:
            place, last = line.order.index(held.sock), line.order.pop()
            if last is not held.sock:
                line.order[place] = last
        if line.members:
            self._follow(line)
        else:
            del self._lines[group]

    def give(self, worker: str) -> None:
        """An attempt of the worker is about to start: it has those where most wait, of all that nobody has."""
        for line, held in self._of(worker):
            free = [other for other in line.members if not self._lives(other)]
            longest = max(free, key=lambda other: (reuseport.waiting(other.sock), other is held), default=held)
            if held in free and longest is not held:
                held.sock, longest.sock = longest.sock, held.sock
                for one in (held, longest):
                    self._keep(one.entry(), one.sock.fileno())

    def lead(self, worker: str, attempt: int, *, here: bool) -> None:
        """Lead connections to this attempt from now on, or to others; harmless twice."""
        for line, held in self._of(worker):
            if attempt != held.leaves:
                self._mark(line, held, attempt if here else 0)

    def part(self, worker: str, attempt: int) -> list[socket.socket]:
        """The attempt is about to end. Returns those of its sockets whose connections others take from now on."""
        parted = []
        for line, held in self._of(worker):
            held.leaves = attempt
            self._mark(line, held, 0)
            if any(other.ready for other in line.members):
                parted.append(held.sock)
        return parted

    def stirred(self, worker: str) -> None:
        """An attempt of the worker began, or ended."""
        for line, held in self._of(worker):
            self._mark(line, held, held.ready if self._lives(held) else 0)

    def _mark(self, line: Line, held: Held, ready: int) -> None:
        if held.ready != ready:
            held.ready = ready
            self._keep(held.entry(), held.sock.fileno())
        self._follow(line)

    def _follow(self, line: Line) -> None:
        """Have the kernel lead new connections as all are now."""
        try:
            if line.order is None:
                line.order, line.led = reuseport.order([held.sock for held in line.members]), []
            of = {held.sock: held for held in line.members}
            ours = [of.get(sock) if sock is not None else None for sock in line.order]
            before = [index for index, sock in enumerate(line.order) if sock in line.targets]
            ready = [held is not None and held.ready > 0 for held in ours]
            lives = [] if any(ready) else [held is not None and self._lives(held) for held in ours]
            indexes = chosen(ready, lives, before)
            if indexes != line.led:
                reuseport.lead(line.members[0].sock, indexes)
            line.led, line.targets = indexes, [line.order[index] for index in indexes]
        except OSError as error:
            line.order = None
            say(f"connections may be led to instances of {line.members[0].wish['owner']} that are not ready: {error}")

    def _lives(self, held: Held) -> bool:
        return any(self._heirs(held.owner))

    def _of(self, worker: str) -> Iterator[tuple[Line, Held]]:
        found = ((line, held) for line in self._lines.values() for held in line.members if held.owner == worker)
        return iter(list(found))


def run_empty(loop: Loop, lines: Sequence[socket.socket], done: Callable[[], None], most: float = MOST) -> None:
    """Call `done` once nobody waits at these, or after `most` seconds."""
    passed = quiet = 0.0

    def look() -> None:
        nonlocal passed, quiet
        passed += LOOK
        quiet = 0.0 if any(map(reuseport.waiting, lines)) else quiet + LOOK
        if quiet >= QUIET or passed >= most:
            done()
        else:
            loop.later(LOOK, look)

    loop.later(LOOK, look)
