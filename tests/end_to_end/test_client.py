"""Whatever can be asked, asked in four ways: raw HTTP, both clients and the command line; and what survives a kill."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import click
import msgspec
import pytest

import beeyard
from beeyard import AsyncClient, Client
from beeyard.application.operation import Operation
from beeyard.application.operations import BY_REQUEST, OPERATIONS
from beeyard.application.packages.moves import RolloutView
from beeyard.domain.course import OVER
from beeyard.domain.module import ModuleSpec
from beeyard.domain.rollout_plan import Rollout
from beeyard.domain.spec import Endpoint, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.entrypoints.cli.commands import COMMANDS
from tests.end_to_end.calls import Caller, certificate, listen, url_of
from tests.end_to_end.workers import asked, program, shell
from tests.yard import Yard, eventually, yard

BEEYARD = str(Path(sys.executable).parent / "beeyard")
SLEEP = ("/bin/sleep", "infinity")


class Asker(Protocol):
    """One way to ask. Replies are plain values as JSON has them; of a stream the first `count`, else all."""

    name: str

    def ask(self, request: Any, count: int | None = None) -> Any: ...


def plain(reply: Any) -> Any:
    """As JSON has it."""
    return json.loads(msgspec.json.encode(reply))


class Raw:
    """What curl does, over TCP and with a token."""

    name = "raw"

    def __init__(self, url: str, token: str) -> None:
        self._caller = Caller(url)
        self._token = token

    def ask(self, request: Any, count: int | None = None) -> Any:
        operation = BY_REQUEST[type(request)]
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        with closing(self._caller.open()) as connection:
            path = f"/v1/operations/{operation.name}"
            connection.request("POST", path, msgspec.json.encode(request), headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            if operation.streams:
                return [json.loads(line) for line in islice(answer, count)]
            return json.loads(answer.read())


class Blocking:
    """The client of programs without a loop, at the socket."""

    name = "blocking"

    def __init__(self, state: str) -> None:
        self._client = Client(state_dir=state)

    def ask(self, request: Any, count: int | None = None) -> Any:
        if BY_REQUEST[type(request)].streams:
            with closing(self._client.stream(request)) as replies:
                return plain(list(islice(replies, count)))
        return plain(self._client.ask(request))


class Looping:
    """The client of programs with one, over TCP."""

    name = "looping"

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def ask(self, request: Any, count: int | None = None) -> Any:
        return plain(asyncio.run(self._ask(request, count)))

    async def _ask(self, request: Any, count: int | None) -> Any:
        async with AsyncClient(url=self._url, token=self._token) as client:
            if not BY_REQUEST[type(request)].streams:
                return await client.ask(request)
            found = []
            async for reply in client.stream(request):
                found.append(reply)
                if len(found) == count:
                    break
            return found


class CommandLine:
    """The program, with --json."""

    name = "cli"

    def __init__(self, state: str, file: Path) -> None:
        self._state = state
        self._file = file

    def ask(self, request: Any, count: int | None = None) -> Any:
        operation = BY_REQUEST[type(request)]
        command = [BEEYARD, "--state-dir", self._state, *self._words(operation, request)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            if count is not None:
                found = [json.loads(line) for line in islice(process.stdout, count)]
                process.terminate()
                return found
            out, err = process.communicate()
            assert process.returncode == 0, err
            return [json.loads(line) for line in out.splitlines()] if operation.streams else json.loads(out)

    def _words(self, operation: Operation, request: Any) -> list[str]:
        if isinstance(request, beeyard.Apply):
            return ["up", str(self._file), "--detach", "--json"]
        if isinstance(request, beeyard.Add):
            (spec,) = request.specs
            return ["add", spec.id, "--json", "--", *SLEEP]
        if isinstance(request, beeyard.PackageLock):
            return ["package", "lock", str(self._file), "--json"]
        words = operation.name.split("_")
        command: click.Command = COMMANDS[words[0]]
        for word in words[1:]:
            assert isinstance(command, click.Group)
            command = command.commands[word]
        return [*words, *said(command, request), "--json"]


def said(command: click.Command, request: Any) -> list[str]:
    """A request's fields as words of a command line."""
    found: list[str] = []
    for field in msgspec.structs.fields(request):
        value = getattr(request, field.name)
        (parameter,) = (param for param in command.params if param.name == field.name)
        if isinstance(parameter, click.Argument):
            found += value if isinstance(value, list) else [] if value is None else [value]
        elif value != field.default and value != []:
            option = max(parameter.opts, key=len)
            if value is False:
                found.append(max(parameter.secondary_opts, key=len))
            elif value is True:
                found.append(option)
            else:
                found += [
                    word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))
                ]
    return found


def a_shelf(folder: Path) -> Path:
    """A folder with packages that nobody signed."""
    for name, version in (("tool", "1.0"), ("spare", "1.0"), ("idle", "1.0"), ("idle", "2.0")):
        source = folder / f"{name}-{version}"
        source.mkdir()
        (source / "run").write_text("#!/bin/sh\nexec sleep infinity\n")
        (source / "run").chmod(0o755)
        (source / "package.yaml").write_text(f"{{name: {name}, version: '{version}', executable: {{path: run}}}}\n")
        command = [BEEYARD, "package", "build", str(source), "-o", str(folder / "shelf")]
        subprocess.run(command, check=True, capture_output=True)
    return folder / "shelf"


def a_module(folder: Path, name: str) -> WorkerSpec:
    """A worker within the master that does nothing."""
    (folder / "idle.py").write_text("from beeyard.sdk import Module\n\nclass Idle(Module):\n    pass\n")
    return WorkerSpec(WorkerId(name), "module", {}, module=ModuleSpec("idle:Idle", str(folder)))


class Scene:
    """A Beeyard with a worker that runs, one that wrote something, and one that never gets ready; `idle` runs from a
    package, and takes for ever to go over."""

    def __init__(self, made: Yard, folder: Path) -> None:
        self.yard = made
        self.file = folder / "beeyard.yaml"
        self.file.write_text("workers: [{id: filed, execution: {executable_path: sleep, args: [infinity]}}]\n")
        made.apply(
            program("web", "/bin/sleep", "infinity"),
            shell("writer", "echo one; echo two; exec sleep infinity"),
            shell("never", "exec sleep infinity", probes={"readiness": asked("/bin/false")}),
            program("gone", "/bin/sleep", "infinity", enabled=False),
            program(
                "steady",
                *SLEEP,
                probes={"liveness": ProbeSpec("process")},
                endpoints={"http": Endpoint("http", path="/v1")},
            ),
            a_module(folder, "within"),
        )
        made.running("web", "writer", "within")
        shelf = {"name": "shelf", "path": str(a_shelf(folder)), "trust": "unsigned"}
        made.ask("apply", specs=[], origin="packages", master={"packages": {"repositories": [shelf]}})
        made.ask("package_install", packages=["tool", "idle:==1.0"])
        slow = Rollout(min_healthy=Duration(86_400.0), watch=Duration(86_400.0))
        made.ask("add", specs=[WorkerSpec(WorkerId("idle"), "process", {}, package="idle", rollout=slow)])
        made.running("idle")
        eventually(lambda: len(made.ask("logs", workers=["writer"])) == 2, "two lines")
        self.client = Client(state_dir=made.paths.state)
        self.job = self.client.submit(beeyard.Start(["web"]))
        self.job.wait()
        self.token = self.client.ask(beeyard.TokenCreate("all", "admin", install=True)).token
        url = url_of(made)
        self.askers: list[Asker] = [
            Raw(url, self.token),
            Blocking(made.paths.state),
            Looping(url, self.token),
            CommandLine(made.paths.state, self.file),
        ]
        from beeyard.entrypoints.cli import local

        self.applied = beeyard.Apply(local.load(str(self.file)).workers, str(self.file))
        self.client.ask(self.applied)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all questions."""
    folder = tmp_path_factory.mktemp("client")
    with yard(folder / "s") as made:
        yield Scene(made, folder)


def whole(reply: Any) -> Any:
    """All of it is the same, whoever asks."""
    return reply


def ids_and_states(views: Any) -> Any:
    """The processes are new ones each time."""
    return [(view["id"], view["state"], view["wanted"]) for view in views]


def without(*names: str) -> Callable[[Any], Any]:
    """But for what changes by itself, in one view or in each of a list."""

    def same(reply: Any) -> Any:
        if isinstance(reply, list):
            return [same(view) for view in reply]
        return {name: value for name, value in reply.items() if name not in names}

    return same


Ask = Callable[[Scene, str], Any]
"""(scene, who asks) -> request"""
Same = Callable[[Any], Any]
"""What of a reply is the same for all who ask."""


def its_own_job(scene: Scene, who: str) -> beeyard.JobCancel:
    """One that would wait for long."""
    return beeyard.JobCancel(scene.client.submit(beeyard.Restart(["never"], timeout=60.0), key=who).id)


def its_own_token(scene: Scene, who: str) -> beeyard.TokenRevoke:
    """Just made."""
    scene.client.ask(beeyard.TokenCreate(f"old-{who}", "viewer"))
    return beeyard.TokenRevoke(f"old-{who}")


def its_own_worker(scene: Scene, who: str) -> beeyard.Add:
    """Of a name that nobody else asks for."""
    return beeyard.Add([program(f"of-{who}", *SLEEP)])


def its_old_worker(scene: Scene, who: str) -> beeyard.Remove:
    """Just added."""
    scene.client.ask(beeyard.Add([program(f"old-{who}", *SLEEP)]))
    return beeyard.Remove([f"old-{who}"], stop=True, purge=True)


def its_old_package(scene: Scene, who: str) -> beeyard.PackageUninstall:
    """Just installed."""
    scene.client.ask(beeyard.PackageInstall(["spare"]))
    return beeyard.PackageUninstall(["spare"])


def idling(scene: Scene) -> None:
    """`idle` runs 1.0, and nothing is under way."""

    def seen() -> list[RolloutView]:
        return list(scene.client.stream(beeyard.RolloutStatus(["idle"])))

    if any(view.stage not in OVER for view in seen()):
        with suppress(beeyard.Refused):  # It may be over by now.
            scene.client.ask(beeyard.RolloutAbort("idle"))
    eventually(lambda: all(view.stage in OVER for view in seen()), "nothing is under way")
    assert scene.yard.running("idle")["idle"]["package"] == "idle 1.0"


def an_update(scene: Scene, who: str) -> beeyard.PackageUpdate:
    """Of a worker that runs the older one."""
    idling(scene)
    return beeyard.PackageUpdate(["idle"], to="2.0")


def under_way(request: Any) -> Ask:
    """Asked while `idle` goes over."""

    def ask(scene: Scene, who: str) -> Any:
        scene.client.ask(an_update(scene, who))
        if isinstance(request, beeyard.RolloutResume):
            scene.client.ask(beeyard.RolloutPause("idle"))
        return request

    return ask


def the_course(view: Any) -> Any:
    """What does not change by itself, nor by who asks."""
    return {name: view[name] for name in ("group", "package", "stage", "source", "target", "moved", "members")}


QUESTIONS: dict[str, tuple[Ask, Same, int | None]] = {
    "ps": (lambda scene, who: beeyard.Ps(["web", "gone"], limit=1), whole, None),
    "info": (lambda scene, who: beeyard.Info(), without("memory"), None),
    "show": (lambda scene, who: beeyard.Show("web"), without("usage"), None),
    "probe": (lambda scene, who: beeyard.Probe("steady"), without("costs", "counted"), None),
    "why": (lambda scene, who: beeyard.Why("web", story=3), without("usage", "next"), None),
    "logs": (lambda scene, who: beeyard.Logs(["writer"], lines=1), whole, None),
    "events": (lambda scene, who: beeyard.Events(["web"], after=""), whole, 3),
    "start": (lambda scene, who: beeyard.Start(["web"]), ids_and_states, None),
    "stop": (lambda scene, who: beeyard.Stop(["gone"], wait=False), ids_and_states, None),
    "restart": (lambda scene, who: beeyard.Restart(["web"], timeout=9.0), ids_and_states, None),
    "swap": (lambda scene, who: beeyard.Swap(["within"], timeout=9.0), whole, None),
    "add": (its_own_worker, lambda views: [(view["state"], view["ready"]) for view in views], None),
    "remove": (its_old_worker, lambda names: [name.partition("-")[0] for name in names], None),
    "apply": (lambda scene, who: scene.applied, lambda applied: applied["plan"], None),
    "endpoint_list": (lambda scene, who: beeyard.EndpointList(["steady"]), whole, None),
    "endpoint_get": (lambda scene, who: beeyard.EndpointGet("steady", "http"), whole, None),
    "orphan_list": (lambda scene, who: beeyard.OrphanList(), whole, None),
    "orphan_remove": (lambda scene, who: beeyard.OrphanRemove(all=True, dry_run=True), whole, None),
    "job_list": (lambda scene, who: beeyard.JobList(limit=2), whole, None),
    "job_get": (lambda scene, who: beeyard.JobGet(scene.job.id), whole, None),
    "job_events": (lambda scene, who: beeyard.JobEvents(scene.job.id), whole, None),
    "job_cancel": (its_own_job, lambda view: (view["operation"], view["state"], view["workers"]), None),
    "token_create": (
        lambda scene, who: beeyard.TokenCreate(f"by-{who}", "operator", workers=["web"], lasts=3600.0),
        lambda made: (made["grant"], made["token"][:4], sorted(made)),
        None,
    ),
    "token_list": (lambda scene, who: beeyard.TokenList(), without("used"), None),
    "token_link": (
        lambda scene, who: beeyard.TokenLink("viewer"),
        lambda link: (link["url"].partition("#")[0], sorted(link)),
        None,
    ),
    "token_revoke": (its_own_token, len, None),
    "package_install": (
        lambda scene, who: beeyard.PackageInstall(["tool"]),
        lambda made: [(one["name"], one["version"], one["trust"]) for one in made["packages"]],
        None,
    ),
    "package_list": (lambda scene, who: beeyard.PackageList(), whole, None),
    "package_show": (lambda scene, who: beeyard.PackageShow("tool"), whole, None),
    "package_search": (lambda scene, who: beeyard.PackageSearch(), whole, None),
    "package_verify": (lambda scene, who: beeyard.PackageVerify(["tool"]), whole, None),
    "package_repair": (lambda scene, who: beeyard.PackageRepair(["tool"]), whole, None),
    "package_gc": (lambda scene, who: beeyard.PackageGc(dry_run=True), whole, None),
    "package_history": (lambda scene, who: beeyard.PackageHistory(limit=1), whole, None),
    "package_why": (lambda scene, who: beeyard.PackageWhy("tool"), whole, None),
    "package_uninstall": (its_old_package, whole, None),
    "package_hold": (lambda scene, who: beeyard.PackageHold("tool"), whole, None),
    "package_unhold": (lambda scene, who: beeyard.PackageUnhold("tool"), lambda names: ("held", names), None),
    "package_update": (an_update, whole, None),
    "package_rollback": (under_way(beeyard.PackageRollback("idle")), whole, None),
    "rollout_pause": (under_way(beeyard.RolloutPause("idle")), the_course, None),
    "rollout_resume": (under_way(beeyard.RolloutResume("idle")), the_course, None),
    "rollout_abort": (under_way(beeyard.RolloutAbort("idle")), the_course, None),
    "rollout_status": (lambda scene, who: beeyard.RolloutStatus(), lambda views: [*map(the_course, views)], None),
    "package_lock": (
        lambda scene, who: beeyard.PackageLock([], beeyard.PackagesSpec()),
        lambda lock: ("builds", lock.get("packages", [])),
        None,
    ),
    "audit_log": (lambda scene, who: beeyard.AuditLog(limit=3), whole, None),
    "audit_verify": (lambda scene, who: beeyard.AuditVerify(), whole, None),
    "audit_export": (lambda scene, who: beeyard.AuditExport(), whole, None),
}


def test_all_that_can_be_asked_is_asked() -> None:
    """A new operation needs a question here; what ends the scene has a test of its own."""
    asked = [name for name, operation in OPERATIONS.items() if not operation.by_worker]  # See test_registration.py.
    assert [*QUESTIONS, "down"] == sorted(asked, key=[*QUESTIONS, "down"].index)


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_is_answered_alike_whoever_asks_however(scene: Scene, name: str) -> None:
    """What differs is who asked and when."""
    ask, same, count = QUESTIONS[name]
    answers = {asker.name: same(asker.ask(ask(scene, asker.name), count)) for asker in scene.askers}
    assert answers["raw"] not in ([], None)
    assert answers == dict.fromkeys(answers, answers["raw"])


@pytest.mark.parametrize("which", range(4))
def test_down_ends_all_whoever_asks(fresh_yard: Yard, tmp_path: Path, which: int) -> None:
    """Workers, master, launcher and pump."""
    scene = Scene(fresh_yard, tmp_path)
    assert scene.askers[which].ask(beeyard.Down(timeout=10.0)) == {"ended": 8, "stuck": [], "left": []}
    eventually(lambda: fresh_yard.marked() == [], "all ended")


def test_an_error_is_the_same_one_whoever_asks(scene: Scene) -> None:
    """Class, code, text, hint; the command line says it with its exit code."""
    blocking, url = scene.client, url_of(scene.yard)
    request = beeyard.Start(["webb"])
    with pytest.raises(beeyard.NotFound) as caught:
        blocking.ask(request)
    expected = (caught.value.code, str(caught.value), caught.value.hint)
    assert expected == ("no_such_worker", "there is no worker webb", "did you mean web?")
    with pytest.raises(beeyard.NotFound) as caught:
        Looping(url, scene.token).ask(request)
    assert (caught.value.code, str(caught.value), caught.value.hint) == expected
    command = [BEEYARD, "--state-dir", scene.yard.paths.state, "start", "webb", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problem = json.loads(done.stderr)
    assert (done.returncode, problem["code"], problem["detail"], problem["hint"]) == (3, *expected)


def test_the_command_line_asks_a_url_as_well(scene: Scene) -> None:
    """With the token of the environment; as far as that one may."""
    url = url_of(scene.yard)
    token = scene.client.ask(beeyard.TokenCreate("afar", "operator", workers=["web"])).token
    environ = {**os.environ, "BEEYARD_URL": url, "BEEYARD_TOKEN": token}

    def cli(*words: str) -> tuple[int, str]:
        done = subprocess.run([BEEYARD, *words], capture_output=True, text=True, check=False, env=environ)
        return done.returncode, done.stdout + done.stderr

    assert cli("restart", "web", "--reason", "from afar")[0] == 0
    entry = scene.client.ask(beeyard.AuditLog(limit=1))[0].record
    assert (entry.what, entry.who, entry.reason) == ("restart", "token afar", "from afar")
    assert cli("stop", "writer")[0] == 8
    assert cli("down")[0] == 8
    code, said = cli("up")
    assert (code, f"not through {url}" in said) == (2, True)


def test_who_is_behind_sudo_stands_in_the_journal(scene: Scene) -> None:
    """By the name that sudo leaves."""
    environ = {**os.environ, "SUDO_USER": "jörg"}
    command = [BEEYARD, "--state-dir", scene.yard.paths.state, "start", "web", "--reason", "täglich", "--json"]
    subprocess.run(command, capture_output=True, check=True, env=environ)
    entry = scene.client.ask(beeyard.AuditLog(limit=1))[0].record
    assert (entry.operator.split()[0], entry.reason) == ("jörg", "täglich")


def test_tls_with_certificates_of_both_sides(fresh_yard: Yard, tmp_path: Path) -> None:
    """Each side knows the other by who signed it; a stranger's is not to be trusted, and says so."""
    certificate(tmp_path, "yard")
    certificate(tmp_path, "clients")
    certificate(tmp_path, "ann", by="clients")
    both = tmp_path / "ann.pem"
    both.write_text((tmp_path / "ann.crt").read_text() + (tmp_path / "ann.key").read_text())
    files = {name: str(tmp_path / f"{file}") for name, file in (("certificate", "yard.crt"), ("key", "yard.key"))}
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    listen(fresh_yard, address=address, client_ca=str(tmp_path / "clients.crt"), **files)
    url = eventually(lambda: (found := url_of(fresh_yard)).startswith("https") and found, "an address with TLS")
    token = fresh_yard.ask("token_create", name="t")["token"]
    trusting: dict[str, Any] = {"url": url, "token": token, "ca": str(tmp_path / "yard.crt")}

    async def looping(**options: Any) -> Any:
        async with AsyncClient(**options) as client:
            return await client.ask(beeyard.Ps())

    assert Client(**trusting, certificate=str(both)).ask(beeyard.Ps()) == []
    assert asyncio.run(looping(**trusting, certificate=str(both))) == []

    def blocking(**options: Any) -> Any:
        return Client(**options).ask(beeyard.Ps())

    for ask in (blocking, lambda **options: asyncio.run(looping(**options))):
        with pytest.raises(beeyard.Untrusted, match="self-signed certificate"):
            ask(url=url, token=token)
        with pytest.raises(beeyard.Unavailable):
            ask(**trusting)


# --- over the end of a master -----------------------------------------------------------------------------------------

COUNTING = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.005; done"


def follow_blocking(state: str, take: Callable[[str], bool]) -> None:
    """Lines of the log, until `take` has enough."""
    with closing(Client(state_dir=state).stream(beeyard.Logs(["count"], lines=100_000, follow=True))) as lines:
        for line in lines:
            if not take(line.text):
                return


def follow_looping(state: str, take: Callable[[str], bool]) -> None:
    """The same."""

    async def follow() -> None:
        async with AsyncClient(state_dir=state) as client:
            async for line in client.stream(beeyard.Logs(["count"], lines=100_000, follow=True)):
                if not take(line.text):
                    return

    asyncio.run(follow())


@pytest.mark.parametrize("follow", [follow_blocking, follow_looping])
def test_followed_logs_lose_nothing_when_the_master_is_killed(
    fresh_yard: Yard, follow: Callable[[str, Callable[[str], bool]], None]
) -> None:
    """And tell nothing twice, however often."""
    fresh_yard.apply(shell("count", COUNTING))
    fresh_yard.running("count")
    seen: list[str] = []
    kills = iter((50, 150, 250))
    due = next(kills)

    def take(text: str) -> bool:
        nonlocal due
        seen.append(text)
        if len(seen) == due:
            os.kill(fresh_yard.pid("master"), signal.SIGKILL)
            due = next(kills, 0)
        return len(seen) < 400

    follow(fresh_yard.paths.state, take)
    assert seen == [str(number) for number in range(1, 401)]


def test_events_go_on_with_the_next_master(fresh_yard: Yard) -> None:
    """A gap says that another one tells them now."""
    fresh_yard.apply(program("web", "/bin/sleep", "infinity"))
    fresh_yard.running("web")
    client = Client(state_dir=fresh_yard.paths.state)
    kinds: list[str] = []
    begun, over = threading.Event(), threading.Event()

    def follow() -> None:
        with closing(client.stream(beeyard.Events(["web"], after=""))) as events:
            for event in events:
                kinds.append(event.kind)
                begun.set()
                if "gap" in kinds and event.kind == "worker":
                    over.set()
                    return

    thread = threading.Thread(target=follow)
    thread.start()
    assert begun.wait(30.0)
    before = fresh_yard.pid("master")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: fresh_yard.pid("master") != before and fresh_yard.answers(), "another master")
    client.ask(beeyard.Restart(["web"]))
    assert over.wait(30.0)
    thread.join()
    assert kinds.count("gap") == 1


def test_a_job_is_followed_over_the_end_of_its_master(fresh_yard: Yard) -> None:
    """Which fails it, and says so."""
    fresh_yard.apply(shell("never", "exec sleep infinity", probes={"readiness": asked("/bin/false")}))
    client = Client(state_dir=fresh_yard.paths.state)
    job = client.submit(beeyard.Restart(["never"], timeout=60.0))
    events = job.events()
    assert next(events).kind == "accepted"
    os.kill(fresh_yard.pid("master"), signal.SIGKILL)
    with pytest.raises(beeyard.Unavailable, match="the master ended while this ran"):
        job.wait()
    events.close()
