"""What the pods of one namespace use, as the cluster's own metrics tell: its API metrics.k8s.io, where it has one.

That measures every quarter of a minute or so, and tells rates: seconds of CPU are summed up from them, from the first
time that anybody asked. Nobody there counts processes: there is one a container at least.
"""

import logging
import re
from decimal import Decimal
from time import monotonic

from msgspec import Struct

from beeyard.adapters.providers.kubernetes.api import Api, decoded
from beeyard.adapters.providers.kubernetes.shapes import PodUsages
from beeyard.domain.errors import BeeyardError
from beeyard.ports.provider import Reading

FRESH = 10.0
"""Seconds for which an answer is taken as that of now."""
LATER = 300.0
"""Seconds until a cluster is asked again that had none."""
_QUANTITY = re.compile(r"([0-9.]+)(n|u|m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}

log = logging.getLogger("beeyard")


class _Sum(Struct):
    """Of one pod: seconds of CPU up to a moment, how many a second it uses since, and its bytes."""

    cpu: float
    at: float
    rate: float
    rss: int
    containers: int

    def by(self, now: float) -> float:
        """Seconds of CPU so far."""
        return self.cpu + self.rate * (now - self.at)


class Metering:
    """Of one namespace. It asks once for all that `selector` fits, and only when somebody wants to know."""

    def __init__(self, api: Api, namespace: str, selector: str) -> None:
        self._api = api
        self._path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        self._selector = selector
        self._namespace = namespace
        self._sums: dict[str, _Sum] = {}
        self._due = 0.0
        self._said = False

    async def readings(self) -> dict[str, Reading]:
        """By the names of pods; of those that are measured by now."""
        now = monotonic()
        if now >= self._due:
            try:
                await self._ask(now)
            except BeeyardError as error:
                self._sums, self._due = {}, now + LATER
                if not self._said:
                    text = "what the pods of the namespace %s use is not known, for it has no metrics: %s"
                    log.info(text, self._namespace, error)
                self._said = True
        return {name: Reading(one.by(now), one.rss, one.containers) for name, one in self._sums.items()}

    async def _ask(self, now: float) -> None:
        self._due = now + FRESH
        answer = await self._api.ask("GET", self._path, None, [("labelSelector", self._selector)])
        sums: dict[str, _Sum] = {}
        for pod in decoded(answer, PodUsages).items:
            cores = float(sum(quantity(one.usage.cpu) for one in pod.containers))
            rss = int(sum(quantity(one.usage.memory) for one in pod.containers))
            known = self._sums.get(pod.metadata.name)
            sums[pod.metadata.name] = _Sum(known.by(now) if known else 0.0, now, cores, rss, len(pod.containers))
        self._sums, self._said = sums, False


def quantity(text: str) -> Decimal:
    """A number as Kubernetes writes it; 0 for what is none."""
    if (found := _QUANTITY.fullmatch(text)) is None:
        return Decimal(0)
    number, unit = Decimal(found[1]), found[2] or ""
    return number * 1024 ** _BINARY[unit] if unit in _BINARY else number.scaleb(_UNITS.get(unit, 0))
