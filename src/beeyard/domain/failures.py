"""How often somebody failed lately. Counts by key, in a bounded memory; refuses to know what a key stands for."""

from collections import OrderedDict, deque

AT_ONCE = 10
"""Failures of one key within WINDOW that are taken; what comes after them has to wait."""
WINDOW = 60.0
KEYS = 4096
"""Keys that are remembered; whoever has not failed for longest is forgotten first."""


class Failures:
    """The newest failures of each key. Moments are monotonic seconds."""

    def __init__(self, at_once: int = AT_ONCE, window: float = WINDOW, keys: int = KEYS) -> None:
        self._at_once, self._window, self._keys = at_once, window, keys
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until one more failure of this key is taken; 0 while it is."""
        failed = self._failed.get(key)
        if failed is None or len(failed) < self._at_once:
            return 0.0
        return min(self._window, max(0.0, failed[0] + self._window - now))

    def take(self, key: str, now: float) -> float:
        """One failure. Returns 0 when it is taken, else `wait`: one that is not taken does not count."""
        if (wait := self.wait(key, now)) > 0:
            return wait
        failed = self._failed.setdefault(key, deque(maxlen=self._at_once))
        failed.append(now)
        self._failed.move_to_end(key)
        while len(self._failed) > self._keys:
            self._failed.popitem(last=False)
        return 0.0
