"""The API of a cluster by HTTP on loopback, with faults that a test puts in its way, and a list of what was asked."""

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.kube.cluster import Cluster, Object, Refusal, stamp

TOKEN = "token-of-beeyard"
CORE, BATCH = "/api/v1/namespaces/{namespace}", "/apis/batch/v1/namespaces/{namespace}"
Handler = Callable[[web.Request], Any]


class Call(Struct, frozen=True):
    """What was asked, in the words of RBAC."""

    verb: str
    group: str
    resource: str


class Fault(Struct, frozen=True):
    """What happens to the next request with this verb: `status` with `headers`, a `page` of a proxy instead of an
    answer, or its connection is cut before (`cut`) or after (`late`) it was carried out."""

    verb: str
    status: int = 0
    headers: dict[str, str] = {}
    page: str = ""
    cut: bool = False
    late: bool = False


class Server:
    """One that runs while `async with` lasts; `url` leads to it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.cluster = Cluster()
        self._tls = tls
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.token = TOKEN
        self.bad_watch = "event"
        self.minor = "30"
        self.splits = False
        self.usage: dict[str, tuple[str, str]] | None = None
        self.programs: set[str] = {"sh"}
        self.executed: list[list[str]] = []
        self._run: list[asyncio.subprocess.Process] = []
        self.url = ""
        self._streams: dict[web.StreamResponse, web.Request] = {}
        self._bookmarks = asyncio.Event()
        self._closing = 0

    async def __aenter__(self) -> "Server":
        app = web.Application(middlewares=[self._guarded])
        for base, resource in ((CORE, "pods"), (CORE, "secrets"), (BATCH, "jobs")):
            app.router.add_get(f"{base}/{resource}", self._list)
            app.router.add_post(f"{base}/{resource}", self._create)
            app.router.add_get(f"{base}/{resource}/{{name}}", self._get)
            app.router.add_delete(f"{base}/{resource}/{{name}}", self._delete)
        app.router.add_get(f"{CORE}/events", self._events)
        app.router.add_get("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods", self._metrics)
        app.router.add_get("/version", self._version)
        app.router.add_get(f"{CORE}/pods/{{name}}/log", self._log)
        app.router.add_get(f"{CORE}/pods/{{name}}/exec", self._exec)
        self._runner = web.AppRunner(app, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self.end_streams()
        await self._runner.cleanup()

    def kubeconfig(self, **user: Any) -> Object:
        """That leads here."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": user or {"token": TOKEN}}],
        }

    async def cut_streams(self) -> None:
        """All streams end in the middle of a line."""
        for response, request in [*self._streams.items()]:
            await response.write(b'{"type":"MODIFIED","object":{"kind":"Po')
            assert request.transport is not None
            request.transport.close()

    def end_streams(self) -> None:
        """All streams end in order, as watches do after `timeoutSeconds`."""
        self._closing += 1
        self.cluster.wake()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        verb = _verb(request)
        if request.path == "/version":  # Everybody who is known may ask, by the role system:public-info-viewer.
            return await self._version(request)
        parts = request.path.split("/namespaces/")[1].split("/")
        resource = parts[1] + (f"/{parts[3]}" if len(parts) > 3 else "")
        group = request.path.split("/")[2] if request.path.startswith("/apis/") else ""
        self.calls.append(Call(verb, group, resource))
        try:
            if request.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refusal(401, "Unauthorized", "Unauthorized")
            if (fault := next((fault for fault in self.faults if fault.verb == verb), None)) is not None:
                self.faults.remove(fault)
                if fault.late:
                    await handler(request)
                if fault.cut or fault.late:
                    assert request.transport is not None
                    request.transport.close()
                    return web.Response()
                if fault.page:
                    return web.Response(text=fault.page, content_type="text/html")
                body = Refusal(fault.status, "Fault", f"fault {fault.status}").body
                return web.json_response(body, status=fault.status, headers=fault.headers)
            if parts[0] != "default" and verb == "create":  # A list there is empty.
                raise Refusal(404, "NotFound", f'namespaces "{parts[0]}" not found', name=parts[0], kind="namespaces")
            answer: web.StreamResponse = await handler(request)
            return answer
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.code)

    async def _create(self, request: web.Request) -> web.Response:
        return web.json_response(self.cluster.create(_resource(request), await request.json()), status=201)

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self.cluster.get(_resource(request), request.match_info["name"]))

    async def _delete(self, request: web.Request) -> web.Response:
        options = await request.json() if request.can_read_body else {}
        name = request.match_info["name"]
        return web.json_response(self.cluster.delete(_resource(request), name, options.get("gracePeriodSeconds")))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request)
        fits = _selector(request)
        found = [item for item in self.cluster.objects[_resource(request)].values() if fits(item)]
        found = found if request.match_info["namespace"] == "default" else []
        begin, version = 0, self.cluster.version
        if token := request.query.get("continue"):
            begin, version = map(int, token.split("."))
            if version < self.cluster.kept:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        limit = int(request.query.get("limit", 0)) or len(found)
        marks: Object = {"resourceVersion": str(version)}
        if begin + limit < len(found):
            marks |= {"continue": f"{begin + limit}.{version}", "remainingItemCount": len(found) - begin - limit}
        page = found[begin : begin + limit]
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": marks, "items": page})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        at, fits = int(request.query["resourceVersion"]), _selector(request)
        message = f"too old resource version: {at} ({self.cluster.kept})"
        gone = Refusal(410, "Expired", message)
        if at < self.cluster.kept and self.bad_watch == "status":
            raise gone
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._streams[response] = request
        closing = self._closing
        try:
            if at < self.cluster.kept:
                await _send(response, "ERROR", gone.body)
                return response
            while True:
                stirred = self.cluster.stirred
                for version, kind, found in [*self.cluster.events]:
                    if version > at:
                        at = version
                        if fits(found) and request.match_info["namespace"] == "default":
                            await _send(response, kind, found)
                if self._bookmarks.is_set() and request.query.get("allowWatchBookmarks") == "true":
                    self._bookmarks.clear()
                    at = self.cluster.version
                    await _send(response, "BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(at)}})
                if closing != self._closing:
                    return response
                if stirred is self.cluster.stirred:
                    await stirred.wait()
        finally:
            self._streams.pop(response, None)

    def bookmark(self) -> None:
        """Whoever watches hears how far we are."""
        self._bookmarks.set()
        self.cluster.wake()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": self.minor, "gitVersion": f"v1.{self.minor}.0"})

    async def _events(self, request: web.Request) -> web.Response:
        field, _, uid = request.query.get("fieldSelector", "").partition("=")
        assert field == "involvedObject.uid", field
        found = [event for event in self.cluster.said if event["involvedObject"]["uid"] == uid]
        return web.json_response({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": found})

    async def _metrics(self, request: web.Request) -> web.Response:
        if self.usage is None:  # What an API server says of a group that nobody serves.
            return web.Response(status=404, text="404 page not found\n")
        fits = _selector(request)
        pods = [self.cluster.objects["pods"][name] for name in self.usage if name in self.cluster.objects["pods"]]
        items = [
            {
                "metadata": {"name": pod["metadata"]["name"], "labels": pod["metadata"]["labels"]},
                "timestamp": stamp(),
                "window": "15s",
                "containers": [{"name": "worker", "usage": dict(zip(("cpu", "memory"), used, strict=True))}],
            }
            for pod in pods
            if fits(pod) and (used := self.usage[pod["metadata"]["name"]])
        ]
        return web.json_response({"kind": "PodMetricsList", "metadata": {}, "items": items})

    async def _log(self, request: web.Request) -> web.StreamResponse:
        name, since = request.match_info["name"], request.query.get("sinceTime", "")[:19]
        self.cluster.get("pods", name)
        wanted = request.query.get("stream", "All") if int(self.minor.rstrip("+")) >= 32 else "All"
        if wanted != "All" and not self.splits:  # ValidatePodLogOptions, its gate being off.
            text = 'PodLogOptions "" is invalid: stream: Forbidden: may not be specified'
            raise Refusal(422, "Invalid", text)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        self._streams[response] = request
        sent, closing, follow = 0, self._closing, request.query.get("follow") == "true"
        try:
            while True:
                stirred = self.cluster.stirred
                lines = self.cluster.output.get(name, [])
                for at, text, stream in lines[sent:]:
                    sent += 1
                    if at[:19] >= since[:19] and wanted in ("All", stream):  # Whole seconds, as metav1.Time has them.
                        await response.write(f"{at} {text}\n".encode())
                pod = self.cluster.objects["pods"].get(name)
                ended = pod is None or pod["status"]["phase"] in ("Succeeded", "Failed")
                if ended or closing != self._closing or not follow:
                    return response
                if stirred is self.cluster.stirred:
                    await stirred.wait()
        finally:
            self._streams.pop(response, None)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        """It runs on this host, in a session of its own, and goes on when nobody listens any more, as in a pod."""
        self.cluster.get("pods", request.match_info["name"])
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        command = request.query.getall("command")
        self.executed.append(command)
        if command[0] == "sh" and "sh" not in self.programs:
            await socket.send_bytes(b"\3" + json.dumps(_unfound(command[0])).encode())
            await socket.close()
            return socket
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, start_new_session=True)
        self._run.append(process)
        ended, hung_up = asyncio.ensure_future(_carry(socket, process)), asyncio.ensure_future(socket.receive())
        await asyncio.wait([ended, hung_up], return_when=asyncio.FIRST_COMPLETED)
        for one in (ended, hung_up):
            one.cancel()
        await asyncio.gather(ended, hung_up, return_exceptions=True)
        await socket.close()
        return socket


async def _carry(socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> None:
    """What it writes, and at last how it ended."""

    async def passed(channel: bytes, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (data := await stream.read(4096)):
            await socket.send_bytes(channel + data)

    await asyncio.gather(passed(b"\1", process.stdout), passed(b"\2", process.stderr))
    await socket.send_bytes(b"\3" + json.dumps(_ended(await process.wait())).encode())


def _unfound(program: str) -> Object:
    """As containerd has it."""
    reason = f'exec: "{program}": executable file not found in $PATH: unknown'
    text = f"OCI runtime exec failed: exec failed: unable to start container process: {reason}"
    message = f'Internal error occurred: error executing command in container: failed to exec in container: "{text}"'
    return {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}


def _ended(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    text = f"command terminated with non-zero exit code: exit status {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": text,
        "reason": "NonZeroExitCode",
        "details": {"causes": causes},
    }


async def _send(response: web.StreamResponse, kind: str, found: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")


def _resource(request: web.Request) -> str:
    return request.path.split("/namespaces/")[1].split("/")[1]


def _verb(request: web.Request) -> str:
    if request.method != "GET":
        return {"POST": "create", "DELETE": "delete"}[request.method]
    if "name" in request.match_info:
        return "get"
    return "watch" if request.query.get("watch") == "true" else "list"


def _selector(request: web.Request) -> Callable[[Object], bool]:
    wanted = dict(part.split("=", 1) for part in request.query.get("labelSelector", "").split(",") if part)
    return lambda found: wanted.items() <= found["metadata"].get("labels", {}).items()
