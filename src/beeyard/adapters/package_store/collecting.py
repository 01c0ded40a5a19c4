"""Which packages are of no use any more, and what goes with them. Knows why one stays; `changing` knows how one goes.

What looks needs no lock, and what takes needs the `gc` lock alone: then nobody installs.
"""

from collections.abc import Callable, Collection
from functools import partial

from beeyard.adapters.package_store import changing, uses
from beeyard.adapters.package_store.layout import Layout
from beeyard.adapters.package_store.receipts import Receipts
from beeyard.adapters.package_store.sweeping import sweep
from beeyard.domain.errors import Unavailable
from beeyard.domain.packages import Receipt, version
from beeyard.ports.package_store import Reclaimed

KEEP = 2
"""Versions of each package that a collection leaves, as far as a full disk can tell: it asks for the least."""


class Collector:
    """Of one store. What was installed in the last `grace` seconds stays."""

    def __init__(self, layout: Layout, receipts: Receipts, now: Callable[[], float], grace: float) -> None:
        self._layout = layout
        self._receipts = receipts
        self._now = now
        self._grace = grace

    def reclaimable(self, needed: Collection[str], keep: int) -> Reclaimed:
        """What `collect` would take."""
        return _reclaimed(self._superfluous(needed, keep, uses.users(self._layout, self._receipts.all())))

    def could_free(self) -> int:
        """Bytes, at most. None while it is not known who uses what: then a collection is refused."""
        try:
            return self.reclaimable((), KEEP).size
        except Unavailable:
            return 0

    def collect(self, needed: Collection[str], keep: int) -> Reclaimed:
        """Into the trash with it, and with what was left half done."""
        sweep(self._layout, self._receipts)
        return _reclaimed(changing.take_away(self._layout, self._receipts, partial(self._superfluous, needed, keep)))

    def _superfluous(self, needed: Collection[str], keep: int, users: Collection[str]) -> list[Receipt]:
        return _superfluous(self._receipts.all(), users, needed, keep=keep, before=self._now() - self._grace)


def _superfluous(
    receipts: Collection[Receipt], users: Collection[str], needed: Collection[str], *, keep: int, before: float
) -> list[Receipt]:
    """Those nobody needs, uses or holds, installed `before` then, and not among the newest `keep` of their name."""
    newest: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        newest.setdefault(receipt.description.manifest.name, []).append(receipt)
    found = []
    for versions in newest.values():
        versions.sort(key=_newest_first, reverse=True)
        found += [
            receipt
            for receipt in versions[keep:]
            if not receipt.held
            and receipt.installed_at < before
            and receipt.description.digest not in needed
            and receipt.description.digest not in users
        ]
    return found


def _newest_first(receipt: Receipt) -> tuple[object, float]:
    return version(receipt.description.manifest.version), receipt.installed_at


def _reclaimed(receipts: list[Receipt]) -> Reclaimed:
    named = tuple((one.description.manifest.name, one.description.manifest.version) for one in receipts)
    return Reclaimed(named, sum(one.description.size for one in receipts))
