"""One namespace of one cluster, and the mirror of what is ours in it."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from beeyard.adapters.providers.kubernetes.api import Api, decoded
from beeyard.adapters.providers.kubernetes.looking import Seen, seen
from beeyard.adapters.providers.kubernetes.metering import Metering
from beeyard.adapters.providers.kubernetes.naming import CONTAINER, selector_of
from beeyard.adapters.providers.kubernetes.shapes import Events, ListMarks, Pod, Pods, Thing, Version
from beeyard.adapters.reflector import Change, Listed, Reflector, Stale, Step
from beeyard.domain.errors import BeeyardError, NotFound, Refused, Rejected

PAGE = 500
"""Pods of one answer to a list, so that a thousand are not in memory at once."""
SPLITS = (1, 32)
"""The version that first knew of streams of a log: those before pass over the word."""
UNSPLIT = " stream: "
"""What a refusal has in it that is for that word."""
FIRST = datetime.fromtimestamp(0, UTC)


class Place:
    """What is asked of the API here; `tell` and `contact` hear of this place what a reflector has to say. `where` is
    the place in words that lead to it again."""

    def __init__(
        self,
        api: Api,
        where: Mapping[str, str],
        owner: str,
        tell: Callable[["Place", Change[Seen]], None],
        contact: Callable[["Place", str], None],
    ) -> None:
        self._api = api
        self.where = dict(where)
        self.namespace = where["namespace"]
        self.metering = Metering(api, self.namespace, selector_of(owner))
        self._owner = owner
        self._apart: bool | None = None
        self.mirror: Reflector[Seen] = Reflector(
            self._list, self._watch, lambda change: tell(self, change), lambda reason: contact(self, reason)
        )

    @property
    def api(self) -> Api:
        """Its cluster."""
        return self._api

    def pod_path(self, name: str = "") -> str:
        """Of one pod, or of all."""
        return f"/api/v1/namespaces/{self.namespace}/pods" + (f"/{name}" if name else "")

    def workload_path(self, workload: str, name: str = "") -> str:
        """Of one pod or job, or of all."""
        if workload == "pod":
            return self.pod_path(name)
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs" + (f"/{name}" if name else "")

    async def create(self, workload: str, body: dict[str, Any]) -> Thing | None:
        """None: there is one of this name. Raises Rejected where the namespace is missing."""
        try:
            made = await self._api.ask("POST", self.workload_path(workload), body)
        except Refused:
            return None
        return decoded(made, Thing)

    async def look(self, workload: str, name: str) -> Thing:
        """Raises NotFound."""
        return decoded(await self._api.ask("GET", self.workload_path(workload, name)), Thing)

    async def keep(self, secret: dict[str, Any]) -> None:
        """Create a secret; it may be there."""
        try:
            await self._api.ask("POST", f"/api/v1/namespaces/{self.namespace}/secrets", secret)
        except Refused:
            return

    async def delete(self, workload: str, name: str, grace: int | None = None) -> None:
        """It may be gone. The grace can only be shortened by asking again."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self._api.ask("DELETE", self.workload_path(workload, name), options)
        except NotFound:
            return

    async def pods(self, worker: str = "") -> dict[str, Seen]:
        """Those of the owner, or of one worker, by uid."""
        while True:
            with contextlib.suppress(Stale):
                return dict((await self._listed(worker)).things)

    def follow(self, name: str, stream: str, since: str) -> AsyncGenerator[bytes, None]:
        """What one writes into `stream`, or with none into any, each line with its time, from that second on."""
        query = [("container", CONTAINER), ("follow", "true"), ("timestamps", "true")]
        query += [("stream", stream.capitalize())] if stream else []
        return self._api.stream(f"{self.pod_path(name)}/log", [*query, *([("sinceTime", since)] if since else [])])

    async def apart(self, name: str) -> bool:
        """Whether this cluster tells what a pod writes to stdout from what it writes to stderr: it refuses to, or is
        older than the question, and then both would come as both. That one pod's log can't be had says nothing."""
        if self._apart is None:
            query = [("container", CONTAINER), ("stream", "Stdout"), ("limitBytes", "1")]
            try:
                apart = _splits(decoded(await self._api.ask("GET", "/version"), Version))
                if apart:
                    await self._api.ask("GET", f"{self.pod_path(name)}/log", None, query)
            except Rejected as error:
                if UNSPLIT not in str(error):
                    return False
                apart = False
            except BeeyardError:
                return False
            self._apart = apart
        return self._apart

    async def complaint(self, uid: str) -> str:
        """What a controller last had to complain about one object; empty for nothing."""
        path = f"/api/v1/namespaces/{self.namespace}/events"
        query = [("fieldSelector", f"involvedObject.uid={uid}")]
        said = decoded(await self._api.ask("GET", path, None, query), Events).items
        warnings = [event for event in said if event.type == "Warning" and event.message]
        last = max(warnings, key=lambda event: event.last_timestamp or event.event_time or FIRST, default=None)
        return last.message.strip() if last else ""

    async def _list(self) -> Listed[Seen]:
        return await self._listed()

    async def _listed(self, worker: str = "") -> Listed[Seen]:
        """Page by page; a token that is too old means to begin again, which the mirror does."""
        marks = ListMarks()
        found: dict[str, Seen] = {}
        while True:
            query = [("labelSelector", selector_of(self._owner, worker)), ("limit", str(PAGE))]
            query += [("continue", marks.token)] if marks.token else []
            page = decoded(await self._api.ask("GET", self.pod_path(), None, query), Pods)
            found |= {pod.metadata.uid: known for pod in page.items if (known := seen(pod))}
            marks = page.metadata
            if not marks.token:
                return Listed(marks.version, found)

    async def _watch(self, version: str) -> AsyncGenerator[Step[Seen], None]:
        query = [("labelSelector", selector_of(self._owner))]
        async for line in self._api.watch(self.pod_path(), version, query):
            if line is None:
                yield Step(version)
                continue
            pod = decoded(line.object, Pod)
            at, known = pod.metadata.resource_version, seen(pod)
            if line.type == "BOOKMARK" or known is None:
                yield Step(at)
            elif line.type == "DELETED":
                yield Step(at, known.uid, known)  # Its last state: how it ended may be told nowhere else.
                yield Step(at, known.uid)
            else:
                yield Step(at, known.uid, known)


def _splits(version: Version) -> bool:
    try:
        return (int(version.major), int(version.minor.rstrip("+"))) >= SPLITS
    except ValueError:
        return False
