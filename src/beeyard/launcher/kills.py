"""What the kernel's OOM killer did, told with the end of an attempt.

Where a cgroup of the attempt's own counts it, that is known. Elsewhere nobody can tell whom the kernel chose: then only
that it chose somebody on this host while the attempt ran.
"""

import time
from signal import SIGKILL
from typing import Any

from beeyard.launcher.controllers import oom_kills_of_host
from beeyard.launcher.holding import Holding

FRESH = 1.0
"""Seconds for which a look at the host is good enough: it is taken at each of a thousand spawns."""


class Kills:
    """Counts them for all attempts."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._at, self._seen = -FRESH, 0

    def of_host(self) -> int:
        """How many there were until now, or a moment ago."""
        now = time.monotonic()
        if now - self._at > FRESH:
            self._at, self._seen = now, oom_kills_of_host()
        return self._seen

    def tell(self, ending: dict[str, Any], name: str, tree: str | None, before: int, *, asked: bool) -> None:
        """Add to how an attempt ended, while the cgroup that counts is there.

        Args:
            ending: how its leader ended: gets `oom_kills`, and `oom` if the leader was one of them; or a `note`.
            name, tree: by which its cgroups are found.
            before: `of_host` when it began.
            asked: its end was ordered, so that SIGKILL was ours.
        """
        strange = ending.get("signal") == SIGKILL and not asked
        kills = self._holding.oom_kills(name, tree)
        if kills:
            ending["oom_kills"] = kills
            if strange:
                ending["oom"] = True
        elif kills is None and strange and "oom" not in ending and oom_kills_of_host() > before:
            ending["note"] = "the host's OOM killer ran in this time"
