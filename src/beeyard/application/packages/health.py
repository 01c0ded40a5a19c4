"""Goes round what is installed, and tells what it finds damaged. Mends nothing, and stops nothing that runs.

One package at a time, every byte of it, seldom: what is damaged is not started any more, and whoever starts it next
has it repaired. A finding is told once, as an event and in the journal, until it is another one.
"""

import asyncio
import logging

from beeyard.application.audit import Audit
from beeyard.application.feed import Feed
from beeyard.application.packages.installer import Installer
from beeyard.application.packages.status import at_rest
from beeyard.domain.errors import BeeyardError
from beeyard.ports.clock import Clock
from beeyard.ports.package_manager import Installed
from beeyard.ports.package_store import Damage

FIRST, PERIOD = 120.0, 6 * 3600.0
"""Seconds until the first round, when workers have been started; and between two."""
MOST = 20
"""Damaged files that the journal names."""

log = logging.getLogger("beeyard")


class Rounds:
    """For one master."""

    def __init__(self, installer: Installer, audit: Audit, clock: Clock, feed: Feed) -> None:
        self._installer = installer
        self._audit = audit
        self._clock = clock
        self._feed = feed
        self._told: dict[str, list[Damage]] = {}

    async def run(self) -> None:
        """Until cancelled. Paced by the loop itself."""
        await asyncio.sleep(FIRST)
        while True:
            try:
                await self.turn()
            except BeeyardError as error:
                log.warning("installed packages can't be looked at: %s", error)
            except Exception:
                log.exception("installed packages can't be looked at")
            await asyncio.sleep(PERIOD)

    async def turn(self) -> None:
        """Look at all that is installed. Raises as `Installer.look` does."""
        for one in await self._installer.look():
            try:
                await self._look(one)
            except BeeyardError as error:  # Removed meanwhile, or the disk is in trouble: the others may be well.
                log.warning("%s can't be looked at: %s", one, error)

    async def _look(self, one: Installed) -> None:
        damage = await self._installer.verify(one, "digests")
        if damage == self._told.get(one.digest, []):
            return
        self._told[one.digest] = damage
        if not damage:
            return
        status = at_rest(one.manifest.name, one, damage)
        self._feed.tell("package", self._clock.now().wall, lambda: status)
        found = [f"{each.path} {each.what}" for each in damage]
        log.error("%s is damaged: %s", one, "; ".join(found[:MOST]))
        about = {"package": str(one), "damage": found[:MOST], "of": len(found)}
        await self._audit.noted("package_damaged", "it is not as it was when it was installed", about)
