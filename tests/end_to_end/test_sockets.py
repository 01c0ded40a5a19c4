"""Sockets that Beeyard opens and passes on: nobody is refused while a worker restarts, changes, or has no one above it.

The load is made by a real client, over connections of one request each and over such that are kept; the server is that
of examples/sockets.
"""

import asyncio
import contextlib
import http.client
import os
import pwd
import signal
import socket
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from beeyard.adapters.host.launcher import replace_launcher
from beeyard.domain.limits import Limit, Limits
from beeyard.domain.module import ModuleSpec
from beeyard.domain.spec import Endpoint, Listen, ProbeSpec, WorkerSpec
from beeyard.domain.values import Duration, WorkerId
from beeyard.launcher.locks import holder
from tests.end_to_end.workers import AT_ONCE, program
from tests.yard import PATIENCE, Refusal, Yard, eventually, launcher_program, master_program

SERVER = str(Path(__file__).parents[2] / "examples" / "sockets" / "server.py")
READY = ProbeSpec("http", "/", period=Duration(0.05), timeout=Duration(10.0), failures=1)
RESTARTS = 20
CLIENTS = 8
TWO = """
import os, socket, sys
names = os.environ["LISTEN_FDNAMES"].split(":")
assert os.environ["LISTEN_PID"] == str(os.getpid())
socks = [socket.socket(fileno=3 + number) for number in range(len(names))]
for name, sock in zip(names, socks):
    print(name, sock.family.name, os.get_blocking(sock.fileno()), flush=True)
print("up", flush=True)
signal = __import__("signal").pause()
"""


def free() -> int:
    """A port nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def serving(name: str = "web", word: str = "one", endpoint: Endpoint | None = None, **more: Any) -> WorkerSpec:
    """The example's server, at a socket of ours."""
    at = endpoint or Endpoint("http", free(), listen=Listen())
    probes = {} if at.unix else {"readiness": READY}
    endpoints = {"http": at}
    made = program(name, sys.executable, "-S", SERVER, word, endpoints=endpoints, probes=probes, restart=AT_ONCE)
    return replace(made, **more)


def ask(port: int, host: str = "127.0.0.1") -> list[str]:
    """What it answers: the word, and the process."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().read().decode().split()
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Whether anybody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True
    return False


def passed_of(yard: Yard, role: str = "launcher") -> int:
    """How many sockets that listen at a network address this process has."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        found |= {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    return sum(link in found for link in links(yard.pid(role)))


def links(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(fd))
    return found


class Load:
    """Clients that ask without a pause, and what became of each request."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.words: Counter[str] = Counter()
        self.failed: list[str] = []
        self.answered = asyncio.Event()

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """While the block lasts; half of the clients keep their connections."""
        async with contextlib.AsyncExitStack() as stack:
            sessions = [
                await stack.enter_async_context(
                    aiohttp.ClientSession(
                        connector=aiohttp.TCPConnector(force_close=close, limit=0),
                        timeout=aiohttp.ClientTimeout(total=60.0),
                    )
                )
                for close in (True, False)
            ]
            tasks = [asyncio.ensure_future(self._client(session)) for session in sessions for _ in range(CLIENTS // 2)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while True:
            try:
                async with session.get(self.url) as response:
                    response.raise_for_status()
                    self.words[(await response.text()).split()[0]] += 1
                    self.answered.set()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.failed.append(repr(error))

    async def more(self, word: str = "") -> None:
        """Until each client has been answered a few times again, with this word if one is given."""
        count: Callable[[], int] = (lambda: self.words[word]) if word else self.words.total
        wanted = count() + 5 * CLIENTS
        async with asyncio.timeout(60.0):
            while count() < wanted:
                await self.answered.wait()
                self.answered.clear()


async def test_no_request_fails_over_twenty_restarts_and_versions(fresh_yard: Yard) -> None:
    """Restarted, and changed to another version and back, under load: each request is answered."""
    first = serving()
    port = first.endpoints["http"].port
    other = replace(first, run={**first.run, "args": [*first.run["args"][:-1], "two"]})
    fresh_yard.apply(first)
    fresh_yard.running("web")
    load = Load(port)
    async with load.going():
        for number in range(RESTARTS):
            word = "two" if number % 4 >= 2 else "one"
            if number % 2:
                await asyncio.to_thread(fresh_yard.ask, "restart", workers=["web"])
            else:
                await asyncio.to_thread(fresh_yard.apply, other if word == "two" else first)
                if number == 0:
                    await asyncio.to_thread(fresh_yard.ask, "restart", workers=["web"])
            await load.more(word)
    assert load.failed == []
    assert min(load.words["one"], load.words["two"]) > 0
    assert fresh_yard.ps()["web"]["attempt"] > RESTARTS


async def test_a_real_server_loses_no_request_either(fresh_yard: Yard) -> None:
    """Caddy takes its socket by its number, and answers what it accepted before it ends."""
    config, port = str(Path(SERVER).with_name("Caddyfile")), free()
    caddy = str(Path(sys.executable).with_name("caddy"))
    at = {"http": Endpoint("http", port, listen=Listen())}
    fresh_yard.apply(program("web", caddy, "run", "--config", config, endpoints=at, probes={"readiness": READY}))
    fresh_yard.running("web")
    load = Load(port)
    async with load.going():
        for _ in range(3):
            await asyncio.to_thread(fresh_yard.ask, "restart", workers=["web"])
            await load.more()
    assert load.failed == []
    assert load.words.keys() == {"caddy"}


def waiting(port: int) -> socket.socket:
    """A client that has asked, and has no answer yet."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return client


def answered(client: socket.socket) -> str:
    """What it was answered in the end."""
    with client, client.makefile("rb") as file:
        return file.read().decode().splitlines()[-1].split()[0]


def test_who_asks_while_it_is_stopped_is_answered_when_it_is_back(fresh_yard: Yard) -> None:
    """The line is the socket's, not the process's; who removes the worker closes it."""
    spec = serving()
    port = spec.endpoints["http"].port
    fresh_yard.apply(spec)
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"])
    assert fresh_yard.leaders("web") == []
    clients = [waiting(port) for _ in range(50)]
    fresh_yard.ask("start", workers=["web"])
    assert {answered(client) for client in clients} == {"one"}
    fresh_yard.ask("remove", workers=["web"], stop=True)
    eventually(lambda: not listens(port), "nobody listens")
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 0, "no socket is left")


VICTIMS = [("master",), ("launcher",), ("pump",), ("master", "launcher")]


def kill(yard: Yard, *roles: str) -> None:
    """All at once; returns when others are in their place."""
    pids = [yard.pid(role) for role in roles]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(holder(lock) not in (None, *pids) for lock in yard._locks()), f"others than {roles}")


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_the_line_outlives_who_holds_it(fresh_yard: Yard, victims: tuple[str, ...]) -> None:
    """With no attempt there, kill -9 of each of the three, again and again: who waits is answered in the end."""
    spec = serving()
    port = spec.endpoints["http"].port
    fresh_yard.apply(spec)
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"])
    client = waiting(port)
    for _ in range(3):
        kill(fresh_yard, *victims)
        eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 1, "both have the socket")
    eventually(fresh_yard.answers, "a master")
    fresh_yard.ask("start", workers=["web"])
    assert answered(client) == "one"


def test_a_worker_that_is_removed_before_the_pump_answers_leaves_no_socket(fresh_yard: Yard) -> None:
    """The next launcher hears of the removal first, and of the socket only then."""
    fresh_yard.apply(serving(), serving("other"))
    fresh_yard.running("web", "other")
    fresh_yard.ask("stop", workers=["web"])
    pump = fresh_yard.pid("pump")
    os.kill(pump, signal.SIGSTOP)
    try:
        kill(fresh_yard, "launcher")
        fresh_yard.ask("remove", workers=["web"])
    finally:
        os.kill(pump, signal.SIGCONT)
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 1, "that of the other is left")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take a socket out of another process everywhere")
def test_when_all_are_killed_the_worker_has_it_still(fresh_yard: Yard) -> None:
    """The next launcher takes it back out of the process, and the restart that follows refuses nobody."""
    spec = serving()
    port = spec.endpoints["http"].port
    fresh_yard.apply(spec)
    (served,) = {row["pid"] for row in fresh_yard.running("web").values()}
    pids = [fresh_yard.pid(role) for role in ("pump", "launcher", "master")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(holder, fresh_yard._locks())), "nobody left")
    fresh_yard.start([*launcher_program()], [*master_program()])
    assert fresh_yard.running("web")["web"]["pid"] == served
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 1, "both have the socket")
    fresh_yard.ask("stop", workers=["web"])
    client = waiting(port)
    fresh_yard.ask("start", workers=["web"])
    assert answered(client) == "one"


def test_an_upgrade_of_the_launcher_keeps_it(fresh_yard: Yard) -> None:
    """The same process with other code goes on with the same socket."""
    spec = serving()
    fresh_yard.apply(spec)
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"])
    client = waiting(spec.endpoints["http"].port)
    before = fresh_yard.pid("launcher")
    assert asyncio.run(replace_launcher(fresh_yard.paths, [*master_program(), fresh_yard.paths.state]))
    eventually(fresh_yard.answers, "a master")
    assert (fresh_yard.pid("launcher"), passed_of(fresh_yard)) == (before, 1)
    fresh_yard.ask("start", workers=["web"])
    assert answered(client) == "one"


def test_instances_at_one_port_have_a_socket_each(fresh_yard: Yard) -> None:
    """Both answer, and one that is stopped or removed leaves the other at work."""
    at = Endpoint("http", free(), listen=Listen())
    fresh_yard.apply(*(serving(f"web.{number}", f"w{number}", at, probes={}) for number in (1, 2)))
    fresh_yard.running("web.1", "web.2")
    assert passed_of(fresh_yard) == 2
    seen: Counter[str] = Counter()

    def both() -> bool:
        seen[ask(at.port)[0]] += 1
        return len(seen) == 2

    eventually(both, "both answer")
    fresh_yard.ask("stop", workers=["web.1"])
    assert {ask(at.port)[0] for _ in range(20)} == {"w2"}
    fresh_yard.ask("remove", workers=["web.1"])
    assert ask(at.port)[0] == "w2"
    fresh_yard.ask("remove", workers=["web.2"], stop=True)
    eventually(lambda: passed_of(fresh_yard) == 0, "the last is closed as well")


def test_a_port_that_is_chosen_stays_and_is_each_ones_own(fresh_yard: Yard) -> None:
    """Over restarts, and over the end of everything."""
    at = Endpoint("http", listen=Listen())
    fresh_yard.apply(*(serving(f"web.{number}", f"w{number}", at) for number in (1, 2)))
    before = {name: row["endpoints"] for name, row in fresh_yard.running("web.1", "web.2").items()}
    assert before["web.1"] != before["web.2"]
    fresh_yard.ask("restart", workers=["web.1", "web.2"])
    after = {name: row["endpoints"] for name, row in fresh_yard.running("web.1", "web.2").items()}
    assert after == before
    assert passed_of(fresh_yard) == 2


def test_several_are_passed_in_the_order_of_the_file(fresh_yard: Yard, tmp_path: Path) -> None:
    """IPv4, IPv6 and a file; each has its name, all may wait, and nothing else of ours is open."""
    path = tmp_path / "w.sock"
    endpoints = {
        "plain": Endpoint("tcp", listen=Listen()),
        "six": Endpoint("tcp", host="::1", listen=Listen()),
        "file": Endpoint("tcp", listen=Listen(str(path), 0o620)),
    }
    fresh_yard.apply(program("w", sys.executable, "-S", "-c", TWO, endpoints=endpoints))
    fresh_yard.running("w")
    eventually(lambda: b"up" in fresh_yard.log("w"), "its words")
    assert fresh_yard.log("w").decode().splitlines() == [
        "plain AF_INET True",
        "six AF_INET6 True",
        "file AF_UNIX True",
        "up",
    ]
    (pid,) = fresh_yard.leaders("w")
    assert sum(link.startswith("socket:") for link in links(pid)) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    views = {view["name"]: (view["kind"], view["address"]) for view in fresh_yard.ask("endpoint_list")}
    assert views["file"] == ("ipc", f"unix:{path}")
    assert views["six"][1].startswith("[::1]:")


def test_a_file_waits_too_and_goes_with_the_worker(fresh_yard: Yard, tmp_path: Path) -> None:
    """Also in the place of one that nobody listens at any more."""
    path = tmp_path / "web.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    fresh_yard.apply(serving(endpoint=Endpoint("http", listen=Listen(str(path)))))
    fresh_yard.running("web")
    fresh_yard.ask("stop", workers=["web"])
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    fresh_yard.ask("start", workers=["web"])
    assert answered(client) == "one"
    fresh_yard.ask("remove", workers=["web"], stop=True)
    eventually(lambda: not path.exists(), "no file is left")


def test_another_address_closes_the_old_one(fresh_yard: Yard) -> None:
    """So does a worker that wants none any more."""
    first = serving()
    old, new = first.endpoints["http"].port, free()
    fresh_yard.apply(first)
    fresh_yard.running("web")
    fresh_yard.apply(replace(first, endpoints={"http": Endpoint("http", new, listen=Listen())}))
    eventually(lambda: listens(new) and not listens(old), "another in place of the old one")
    assert ask(new)[0] == "one"
    fresh_yard.apply(program("web", "/bin/sleep", "100"))
    eventually(lambda: passed_of(fresh_yard) == passed_of(fresh_yard, "pump") == 0, "none is held")


def test_what_is_taken_is_said(fresh_yard: Yard) -> None:
    """By another program, with what to do about it; the launch is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fresh_yard.apply(serving(endpoint=Endpoint("http", port, listen=Listen())))
        wanted = f"listen at 127.0.0.1 port {port}: Address already in use"
        eventually(lambda: wanted in str(fresh_yard.ask("why", worker="web")), "a refused launch")
        assert "something else listens there" in str(fresh_yard.ask("why", worker="web"))
    fresh_yard.running("web")


def test_no_descriptor_stays_behind(fresh_yard: Yard) -> None:
    """After many restarts, launcher and pump have as many sockets as before."""
    fresh_yard.apply(serving())
    fresh_yard.running("web")

    def sockets() -> list[int]:
        return [
            sum(link.startswith("socket:") for link in links(fresh_yard.pid(role))) for role in ("launcher", "pump")
        ]

    fresh_yard.ask("restart", workers=["web"])
    fresh_yard.running("web")
    before = sockets()
    for _ in range(10):
        fresh_yard.ask("restart", workers=["web"])
    fresh_yard.running("web")
    eventually(lambda: sockets() == before, f"as many as {before}: {sockets()}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run workers as somebody else")
def test_another_user_within_limits_has_it_too(fresh_yard: Yard, tmp_path: Path) -> None:
    """Whatever way a process is started in: here as one that waits until it is within its limits."""
    server = tmp_path / "server.py"
    server.write_text(Path(SERVER).read_text())
    above = Path(tempfile.gettempdir())
    for folder in (tmp_path, *(one for one in tmp_path.parents if above in one.parents)):
        folder.chmod(0o755)
    spec = serving(limits=Limits({"memory.max_rss": Limit(512.0 * 1024**2, "throttle")}))
    run = {"executable_path": "/usr/bin/python3", "args": ["-S", str(server), "one"], "user": "nobody"}
    fresh_yard.apply(replace(spec, run=run))
    pid = fresh_yard.running("web")["web"]["pid"]
    assert ask(spec.endpoints["http"].port) == ["one", str(pid)]
    assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid


HOSTED = """
import asyncio
from beeyard.sdk import Module

class Echo(Module):
    async def initialize(self, context):
        self.context = context

    async def start(self):
        self.server = await asyncio.start_server(self.answer, sock=self.context.socket("http"))

    async def answer(self, reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhosted")
        await writer.drain()
        writer.close()

    async def stop(self):
        self.server.close()
"""


def test_a_module_takes_it_from_its_context(fresh_yard: Yard, tmp_path: Path) -> None:
    """In a process: `context.socket` is the one that was passed on."""
    (tmp_path / "hosted.py").write_text(HOSTED)
    port = free()
    spec = WorkerSpec(
        WorkerId("web"),
        "process",
        {},
        module=ModuleSpec("hosted:Echo", str(tmp_path)),
        endpoints={"http": Endpoint("http", port, listen=Listen())},
    )
    fresh_yard.apply(spec)
    fresh_yard.running("web")
    assert ask(port) == ["hosted"]
    fresh_yard.ask("stop", workers=["web"])
    client = waiting(port)
    fresh_yard.ask("start", workers=["web"])
    assert answered(client) == "hosted"


def test_who_passes_no_sockets_says_so(fresh_yard: Yard, tmp_path: Path) -> None:
    """A module within the master would hold it itself."""
    (tmp_path / "hosted.py").write_text(HOSTED)
    module = ModuleSpec("hosted:Echo", str(tmp_path))
    endpoints = {"http": Endpoint("http", listen=Listen())}
    with pytest.raises(Refusal) as refused:
        fresh_yard.apply(WorkerSpec(WorkerId("web"), "module", {}, module=module, endpoints=endpoints))
    assert "web.endpoints.http.listen: found a socket, expected none: module passes no sockets on" in str(refused.value)
