"""One attempt's container, made and started on one engine: once, whoever died in the middle of it before.

Its name makes it one: who finds it taken by a container with our labels goes on with that.
"""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from beeyard.adapters.copying import Desk
from beeyard.adapters.providers.docker import holding
from beeyard.adapters.providers.docker.container import body, name, ours
from beeyard.adapters.providers.docker.engine import Engine
from beeyard.adapters.providers.docker.following import Following
from beeyard.adapters.providers.docker.pulling import Pulling
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Rejected, Unavailable
from beeyard.domain.limits import Hold, held
from beeyard.domain.messages import Handle
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import WorkerSpec

Invite = Callable[[], Awaitable[Mapping[str, str]]]
"""With what an attempt registers, made anew with each call."""
Ordered = Callable[[], Awaitable[dict[str, Any]]]
"""The request that creates a container, as `Invite`."""

log = logging.getLogger("beeyard")


class Starting:
    """The launches of one owner on one engine."""

    def __init__(self, engine: Engine, owner: str, following: Following, desk: Desk, pulling: Pulling) -> None:
        self._engine = engine
        self._owner = owner
        self._following = following
        self._desk = desk
        self._pulling = pulling

    async def launch(
        self,
        spec: WorkerSpec,
        section: DockerSection,
        attempt: int,
        ports: Mapping[str, int],
        secrets: Mapping[str, Secret],
        notices: str,
        invite: Invite,
    ) -> Handle:
        """As `Provider.launch`; `notices` as for `container.body`. An invitation is not good for long, and kept where
        it was made: there is one for each request that makes the container, and none before."""
        await self._following.ready()
        key = (spec.id, attempt)
        if (known := self._following.known.get(key)) is not None:
            if known.exit is not None:
                self._following.tell(key, "exited", known.exit)
            return known.handle
        self._require_alone(spec.id, attempt)

        async def order() -> dict[str, Any]:
            """Anew for each request: what it registers with lives for minutes, and its image may take longer."""
            return body(spec, section, self._owner, attempt, ports, secrets, time.time(), notices, await invite())

        with self._following.left_to(key):
            return await self._launch(spec, section, attempt, order)

    async def hold(self, worker: str, attempt: int, hold: Hold) -> Handle | None:
        """As `Provider.hold`."""
        known = self._following.known.get((worker, attempt))
        if known is None or known.exit is not None:
            return None
        words = holding.words(hold)
        try:
            await self._engine.ask("POST", f"containers/{known.id}/update", body=holding.bounds(hold))
        except NotFound:
            return None
        except (Rejected, Refused) as error:
            words = dict.fromkeys(words, f"not held: {error}")
        known.handle = _holding(known.handle, words)
        return known.handle

    def _require_alone(self, worker: str, attempt: int) -> None:
        for (other, number), known in self._following.known.items():
            if other == worker and number != attempt and known.exit is None:
                text = "attempt {attempt} of {worker} still runs (pid {pid})"
                raise Rejected("worker_doubled", text, attempt=number, worker=worker, pid=known.pid)

    async def _launch(self, spec: WorkerSpec, section: DockerSection, attempt: int, order: Ordered) -> Handle:
        await self._desk.begin(spec, attempt, section.where.plain)
        if section.pull == "always":
            await self._pulling.pull(section.image, spec.id)
        await self._cleared(spec.id)
        container = await self._create(spec, section, attempt, order)
        try:
            for network in section.networks[1:]:
                with contextlib.suppress(Refused):  # It is in there already.
                    await self._engine.ask("POST", f"networks/{network}/connect", body={"Container": container})
            with contextlib.suppress(Refused):  # It runs already.
                await self._engine.ask("POST", f"containers/{container}/start")
        except (Rejected, NotFound, Refused) as error:
            with contextlib.suppress(Refused):
                await self._engine.remove(container)
            raise _not_started(section, error) from None
        known = self._following.meet((spec.id, attempt), await self._following.seen(container))
        known.handle = _holding(known.handle, holding.words(held(spec.limits)))
        return known.handle

    async def _cleared(self, worker: str) -> None:
        """Until the engine has taken back what earlier attempts had, such as their ports: it answers no sooner."""
        for (other, _), known in list(self._following.known.items()):
            if other == worker and known.exit is not None:
                with contextlib.suppress(NotFound):
                    await self._engine.ask("GET", f"containers/{known.id}/json")

    async def _create(self, spec: WorkerSpec, section: DockerSection, attempt: int, order: Ordered) -> str:
        """The container's id: made now, or before by an owner that died."""
        called = name(self._owner, spec.id, attempt)
        for again in (False, True):
            asked = await order()
            try:
                made = await self._engine.ask("POST", "containers/create", params={"name": called}, body=asked)
            except NotFound as error:
                if again or "image" not in str(error).lower():
                    raise _not_started(section, error) from None
                if section.pull == "never":
                    text, hint = "there is no image {image} here", "pull it, or set `pull: missing`"
                    raise Rejected("image_missing", text, hint=hint, image=section.image) from None
                await self._pulling.pull(section.image, spec.id)
            except Refused as error:
                return await self._ours(called, spec.id, attempt, error)
            except Rejected as error:
                raise _not_started(section, error) from None
            else:
                for warning in made.get("Warnings") or ():
                    log.warning("%s: the Docker Engine says: %s", spec.id, warning)
                return str(made["Id"])
        raise AssertionError("an image that was pulled is there, or that was said")

    async def _ours(self, called: str, worker: str, attempt: int, error: Refused) -> str:
        try:
            found = await self._engine.ask("GET", f"containers/{called}/json")
        except NotFound:
            raise Unavailable("container_going", "{name} is being removed", name=called) from None
        if ours(found["Config"]["Labels"] or {}, self._owner, str(self._engine.where)) == (worker, attempt):
            return str(found["Id"])
        text = "a container {name} exists that is not Beeyard's"
        raise Rejected("container_name_taken", text, hint="rename or remove it", name=called) from error


def _holding(handle: Handle, words: Mapping[str, str]) -> Handle:
    """With what is held, and by what."""
    state = {key: value for key, value in handle.state.items() if key != "held"}
    return msgspec.structs.replace(handle, state=state | ({"held": dict(words)} if words else {}))


def _not_started(section: DockerSection, error: BeeyardError) -> Rejected:
    return Rejected("container_not_started", "{image}: {reason}", image=section.image, reason=str(error))
