"""The clusters and namespaces that this master's workers run in: each is watched from when it is first needed.

Where attempts run stands in the ledger, so the next master looks there as well. Knows nothing of the attempts.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

from beeyard.adapters.ledger import Ledger
from beeyard.adapters.providers.kubernetes.api import Api
from beeyard.adapters.providers.kubernetes.looking import Seen
from beeyard.adapters.providers.kubernetes.naming import owner_of
from beeyard.adapters.providers.kubernetes.place import Place
from beeyard.adapters.reflector import Change
from beeyard.domain.errors import BeeyardError

log = logging.getLogger("beeyard")


class Places:
    """Those known so far. `spawn` runs what goes on until the end; `tell` and `contact` are every mirror's."""

    def __init__(
        self,
        state: str,
        ledger: Ledger,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        tell: Callable[[Place, Change[Seen]], None],
        contact: Callable[[Place, str], None],
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._spawn = spawn
        self._tell = tell
        self._contact = contact
        self._apis: dict[tuple[str, str], Api] = {}
        self._places: dict[tuple[str, str, str], Place] = {}
        self._owner = ""

    @property
    def owner(self) -> str:
        """This master, in the names of what it makes; known once there is a place."""
        return self._owner

    def known(self) -> list[Place]:
        """All that were needed by now."""
        return list(self._places.values())

    async def find(self, kubeconfig: str, context: str, namespace: str) -> Place:
        """It is watched from now on. Raises Rejected and Unavailable, if the namespace has to be found out."""
        if not self._owner:
            self._owner = await asyncio.to_thread(owner_of, os.path.join(self._state, "owner"))
        api = self._apis.setdefault((kubeconfig, context), Api(kubeconfig, context))
        key = kubeconfig, context, namespace or await api.namespace()
        place = self._places.get(key)
        if place is None:
            where = {"kubeconfig": kubeconfig, "context": context, "namespace": key[2]}
            place = self._places[key] = Place(api, where, self._owner, self._tell, self._contact)
            self._spawn(place.mirror.run())
        return place

    async def pods(self) -> list[tuple[Place, Seen]]:
        """All of ours, wherever any attempt that is not forgotten ran. A cluster that can't be asked is told of, and
        hides none of another one; if none can be asked, that is raised."""
        for page in await asyncio.to_thread(self._ledger.pages):
            if page.where:
                await self.find(**page.where)
        places = self.known()
        answers = await asyncio.gather(*map(_listed, places))
        errors = [answer for answer in answers if isinstance(answer, BeeyardError)]
        if errors and len(errors) == len(places):
            raise errors[0]
        found = zip(places, answers, strict=True)
        return [(place, pod) for place, pods in found if not isinstance(pods, BeeyardError) for pod in pods.values()]

    async def close(self) -> None:
        """Harmless twice."""
        for api in self._apis.values():
            await api.close()


async def _listed(place: Place) -> dict[str, Seen] | BeeyardError:
    try:
        return await place.pods()
    except BeeyardError as error:
        log.warning("what runs in the namespace %s is not known yet: %s", place.namespace, error.advised)
        return error
