"""One thread, one epoll: descriptors, timers, and nothing that wakes up without a reason."""

import heapq
import itertools
import select
import time
from collections.abc import Callable


class Timer:
    """A call that is due later. Cancelling is harmless at any time."""

    __slots__ = ("call", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Never call it."""
        self.call = None


class Loop:
    """Calls back when a descriptor is ready or a timer is due, and after each turn."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._running = False
        self.busy: Callable[[], bool] = lambda: False
        self.after_turn: list[Callable[[], None]] = []

    def watch(self, fd: int, handler: Callable[[int], None], *, write: bool = False) -> None:
        """Call `handler(events)` when `fd` can be read (and written, if asked)."""
        mask = select.EPOLLIN | (select.EPOLLOUT if write else 0)
        if fd in self._handlers:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Before the descriptor is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, after so many seconds."""
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, (timer.when, next(self._count), timer))
        return timer

    def run(self) -> None:
        """Until `stop`. While `busy` says so, descriptors are looked at without waiting."""
        self._running = True
        while self._running:
            for fd, events in self._epoll.poll(self._patience()):
                if handler := self._handlers.get(fd):
                    handler(events)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                call = heapq.heappop(self._timers)[2].call
                if call is not None:
                    call()
            for after in self.after_turn:
                after()

    def stop(self) -> None:
        """End `run` after this turn."""
        self._running = False

    def _patience(self) -> float:
        if self.busy():
            return 0.0
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else -1.0
