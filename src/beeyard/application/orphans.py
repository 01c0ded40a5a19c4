"""What is under our mark and is no worker of ours: found by asking every provider, taken away when an operator says.

Such things are left where a database was lost or restored, or a worker was removed that could not be reached. Nothing
goes by itself, and nothing young goes: somebody may be about to know it. Whose mark is ours, only a provider knows; of
what another owner marked it never tells.
"""

import asyncio
from collections.abc import Mapping, Sequence

from beeyard.application.adoption import Adoption
from beeyard.application.views import Orphan
from beeyard.application.waiting import pause, within
from beeyard.domain.errors import BeeyardError
from beeyard.domain.spec import StopStep
from beeyard.ports.clock import Clock
from beeyard.ports.provider import Owned, Provider

KILLED = 10.0
"""Seconds within which one that was killed has to be gone."""
LOOK, MOST = 0.05, 1.0
"""Seconds between two looks whether one has ended: at first, and at most."""
STOP = StopStep()
"""How one is asked to end. What its own worker file said of that, nobody knows any more."""


class Sweep:
    """Of one master."""

    def __init__(self, adoption: Adoption, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._adoption = adoption
        self._providers = providers
        self._clock = clock
        self._met: dict[tuple[str, str, int], float] = {}

    def known(self) -> list[str]:
        """Those that ran when that was last looked at, in words."""
        return [f"{owned.worker} ({place(owned)})" for owned in self._adoption.orphans()]

    async def look(self) -> tuple[list[Orphan], dict[str, str]]:
        """All there are now, the oldest first; and the providers that could not be asked, with the reason."""
        found, unreachable = await self._adoption.look()
        now, before, self._met = self._clock.now().wall, self._met, {}
        orphans = []
        for provider, owned in found:
            key = provider, owned.worker, owned.attempt
            since = self._met[key] = before.get(key, now) if owned.since is None else owned.since
            orphans.append(Orphan(owned.worker, owned.attempt, provider, owned.alive, since, place(owned)))
        return sorted(orphans, key=lambda orphan: (orphan.since, orphan.worker, orphan.attempt)), unreachable

    def age(self, orphan: Orphan) -> float:
        """In seconds."""
        return max(0.0, self._clock.now().wall - orphan.since)

    async def remove(self, orphan: Orphan, timeout: float) -> str:
        """End it if it runs, in order and then by force, and clear it away. Returns why that was not possible, or
        nothing."""
        try:
            async with within(self._clock, timeout):
                return await self._removed(orphan)
        except TimeoutError:
            return "it did not end in time"
        except BeeyardError as error:
            return error.advised

    async def remove_all(self, orphans: Sequence[Orphan], timeout: float) -> list[str]:
        """At the same time, as `remove` does each."""
        return await asyncio.gather(*(self.remove(orphan, timeout) for orphan in orphans))

    async def _removed(self, orphan: Orphan) -> str:
        provider, worker, attempt = self._providers[orphan.provider], orphan.worker, orphan.attempt
        if not self._adoption.is_orphan(orphan.provider, worker):
            return "it is a worker again"
        if orphan.alive:
            await provider.terminate(worker, attempt, STOP, 1)
            if not await self._ended(orphan, STOP.wait):
                await provider.kill(worker, attempt)
                if not await self._ended(orphan, KILLED):
                    return "it does not end even when killed"
        await provider.destroy(worker, attempt)
        if self._adoption.is_unknown(worker):
            await provider.release(worker)
        return ""

    async def _ended(self, orphan: Orphan, patience: float) -> bool:
        """Whether it does not run any more, or soon."""
        shortly, end = LOOK, self._clock.now().mono + patience
        while await self._runs(orphan):
            if self._clock.now().mono >= end:
                return False
            await pause(self._clock, min(shortly, patience))
            shortly = min(MOST, shortly * 2)
        return True

    async def _runs(self, orphan: Orphan) -> bool:
        """By the list: a provider need not know of one that nobody attached to."""
        marks = orphan.worker, orphan.attempt
        owned = await self._providers[orphan.provider].list_owned()
        return any((one.worker, one.attempt) == marks and one.alive for one in owned)


def place(owned: Owned) -> str:
    """Where it is to be found."""
    state = owned.handle.state
    return f"pid {state['pid']}" if state.get("pid") else str(state.get("name") or state.get("id") or "")
