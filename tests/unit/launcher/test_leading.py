"""Whom connections are led to, and that the kernel does what it is believed to do."""

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beeyard.launcher import reuseport
from beeyard.launcher.leading import QUIET, chosen, run_empty
from beeyard.launcher.loop import Loop
from beeyard.launcher.refusals import SpawnFailed
from beeyard.launcher.shelf import Entry
from beeyard.launcher.sockets import Sockets
from tests.yard import eventually

HOSTS = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")]


# --- decided --------------------------------------------------------------------------------------------------------

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6)


@given(flags, st.data())
def test_none_that_is_not_ready_is_led_to_while_another_is(
    states: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    """All that are ready are; if none is it is one, of those that live if any does, and the one before if it may be."""
    ready, living = [one[0] for one in states], [one[1] for one in states]
    before = data.draw(st.lists(st.integers(0, len(states) - 1), unique=True))
    targets = chosen(ready, living, before)
    if any(ready):
        assert targets == [index for index, one in enumerate(ready) if one]
        return
    (target,) = targets
    if any(living):
        assert living[target]
    if any(living[index] for index in before) or (before and not any(living)):
        assert target in before


def ran(program: list[reuseport.Instruction], chance: int) -> int:
    """What such a program answers."""
    value, at = 0, 0
    while True:
        code, yes, no, operand = program[at]
        at += 1
        match code:
            case 0x20:
                value = chance
            case 0x94:
                value %= operand
            case 0x15:
                at += yes if value == operand else no
            case 0x06:
                return operand


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40, unique=True))
def test_a_program_leads_to_each_target_alike(targets: list[int]) -> None:
    """As often to one as to another, and nowhere else."""
    program = reuseport.program(targets)
    assert Counter(ran(program, chance) for chance in range(3 * len(targets))) == dict.fromkeys(targets, 3)


def test_a_program_never_grows_over_what_the_kernel_takes() -> None:
    """Of very many only the first are led to."""
    assert len(reuseport.program(range(10_000))) <= 4096


# --- done -----------------------------------------------------------------------------------------------------------


class Host:
    """Who lives; what the pump was told last of each."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.kept: dict[str, Entry] = {}

    def keep(self, entry: Entry, fd: int) -> None:
        """Of each worker the last word."""
        self.kept[entry["owner"]] = entry

    def heirs(self, owner: str) -> list[int]:
        """Processes that have nothing of ours."""
        return [1 for name in self.alive if owner in (name, name.partition(".")[0])]


@pytest.fixture
def host() -> Host:
    """Nobody lives."""
    return Host()


@pytest.fixture
def sockets(host: Host) -> Iterator[Sockets]:
    """Of a launcher that began just now."""
    made = Sockets(host.keep, lambda owner, name: None, host.heirs)
    made.take([])
    yield made
    made.close()


def free() -> int:
    """A port nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wish(port: int, **more: Any) -> dict[str, Any]:
    """Of a group."""
    return {"owner": "web", "name": "http", "host": "127.0.0.1", "port": port, "led": True, **more}


def started(sockets: Sockets, host: Host, worker: str, port: int, **more: Any) -> socket.socket:
    """As a spawn does it; the socket it was given."""
    (held,) = sockets.want(worker, [wish(port, **more)])
    sockets.leading.give(worker)
    host.alive.add(worker)
    sockets.leading.stirred(worker)
    return held.sock


def ended(sockets: Sockets, host: Host, worker: str) -> None:
    """It did."""
    host.alive.discard(worker)
    sockets.leading.stirred(worker)


def knock(port: int) -> socket.socket:
    """Somebody connects."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def lines(of: dict[str, socket.socket], total: int) -> dict[str, int]:
    """How many wait at each, once so many do in all."""

    def look() -> dict[str, int]:
        found = {name: reuseport.waiting(sock) for name, sock in of.items()}
        return found if sum(found.values()) == total else {}

    return eventually(look, f"{total} wait")


def test_connections_go_to_those_that_are_ready(sockets: Sockets, host: Host) -> None:
    """Who is not has no line; who is parted from has none from then on, and the others are told of."""
    port = free()
    of = {name: started(sockets, host, name, port) for name in ("web.1", "web.2", "web.3")}
    sockets.leading.lead("web.2", 1, here=True)
    clients = [knock(port) for _ in range(20)]
    assert lines(of, 20) == {"web.1": 0, "web.2": 20, "web.3": 0}
    sockets.leading.lead("web.3", 1, here=True)
    assert sockets.leading.part("web.2", 1) == [of["web.2"]]
    sockets.leading.lead("web.2", 1, here=True)  # Too late.
    clients += [knock(port) for _ in range(20)]
    assert lines(of, 40) == {"web.1": 0, "web.2": 20, "web.3": 20}
    assert {name: entry["ready"] for name, entry in host.kept.items()} == {"web.1": 0, "web.2": 0, "web.3": 1}
    assert sockets.leading.part("web.3", 1) == []
    for client in clients:
        client.close()


def test_a_line_that_nobody_has_goes_to_the_next_that_starts(sockets: Sockets, host: Host) -> None:
    """The longest, whoever had it before; who runs keeps its own."""
    port = free()
    of = {name: started(sockets, host, name, port) for name in ("web.1", "web.2", "web.3")}
    sockets.leading.lead("web.3", 1, here=True)
    clients = [knock(port) for _ in range(3)]
    lines(of, 3)
    for name in of:
        ended(sockets, host, name)
    assert started(sockets, host, "web.1", port) is of["web.3"]
    assert started(sockets, host, "web.3", port) is of["web.1"]
    assert started(sockets, host, "web.2", port) is of["web.2"]
    for client in clients:
        client.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=25))
def test_the_order_is_the_kernels(steps: list[tuple[bool, int]]) -> None:
    """Whoever comes and goes: connections go where they are led."""
    host, port = Host(), free()
    made = Sockets(host.keep, lambda owner, name: None, host.heirs)
    made.take([])
    there: dict[str, socket.socket] = {}
    try:
        for comes, number in steps:
            worker = f"web.{number}"
            if comes and worker not in there:
                there[worker] = started(made, host, worker, port)
            elif not comes and worker in there:
                ended(made, host, worker)
                made.release(worker)
                del there[worker]
        for worker, sock in there.items():
            made.leading.lead(worker, 1, here=True)
            with knock(port):
                assert lines(there, 1) == {name: int(name == worker) for name in there}
            sock.accept()[0].close()
            made.leading.lead(worker, 1, here=False)
    finally:
        made.close()


@pytest.mark.parametrize(("family", "host"), HOSTS)
def test_the_kernel_shows_its_order(family: socket.AddressFamily, host: str) -> None:
    """Of all of them, of some of them, and after one went; of those that it is asked of, none is connected to."""
    socks: list[socket.socket] = []
    address: Any = (host, 0)
    try:
        for _ in range(5):
            sock = socket.socket(family)
            socks.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
            sock.listen()
            address = sock.getsockname()
        assert reuseport.order(socks[::-1]) == socks
        assert sum(map(reuseport.waiting, socks)) == 0
        first, second, third, fourth, fifth = socks
        assert reuseport.order([third]) == [None, None, third]
        second.shutdown(socket.SHUT_RDWR)
        assert reuseport.order([first, third, fourth, fifth]) == [first, fifth, third, fourth]
    finally:
        for sock in socks:
            sock.close()


def test_where_the_kernel_leads_none_they_share_one(
    sockets: Sockets, host: Host, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Said once."""
    monkeypatch.setattr(reuseport, "possible", lambda: False)
    port = free()
    first, second = (started(sockets, host, name, port) for name in ("web.1", "web.2"))
    assert first is second
    assert "".join(capfd.readouterr()).count("this kernel leads no connections") == 1


def test_a_group_that_shares_one_goes_on_so(sockets: Sockets, host: Host) -> None:
    """An older version opened it: those who wait there stay."""
    port = free()
    (shared,) = sockets.want("web.1", [wish(port, led=False)])
    assert started(sockets, host, "web.2", port) is shared.sock


def test_nobody_shares_the_port_of_a_stranger(sockets: Sockets) -> None:
    """Also if that one would."""
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        with pytest.raises(Exception, match="in use"):
            sockets.want("web.1", [wish(stranger.getsockname()[1])])


def test_another_group_is_refused_that_port(sockets: Sockets, host: Host) -> None:
    """Although some of it run, elsewhere: those of one port would be asked for what the others do."""
    port = free()
    for name in ("web.1", "web.2"):
        started(sockets, host, name, port)
    sockets.want("api.2", [wish(free(), owner="api")])
    host.alive.add("api.2")
    with pytest.raises(SpawnFailed, match="in use"):
        sockets.want("api.1", [wish(port, owner="api")])


def test_a_stranger_is_not_joined_because_a_sibling_runs(sockets: Sockets, host: Host) -> None:
    """It may run at another port."""
    started(sockets, host, "web.2", free())
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        with pytest.raises(SpawnFailed, match="in use"):
            sockets.want("web.1", [wish(stranger.getsockname()[1])])


@pytest.mark.parametrize("runs", [False, True], ids=["rests", "runs"])
def test_a_group_moves_to_another_host_one_by_one(sockets: Sockets, host: Host, runs: bool) -> None:
    """Those that still rest or run at the former one are in nobody's way."""
    port = free()
    sockets.want("web.1", [wish(port)])
    (other,) = sockets.want("web.2", [wish(port)])
    if runs:
        host.alive.add("web.2")
    (held,) = sockets.want("web.1", [wish(port, host="0.0.0.0")])
    assert held.sock.getsockname() == ("0.0.0.0", port)
    assert (other.sock.fileno() >= 0) is runs


def test_an_endpoint_that_gets_another_name_stays_in_line(sockets: Sockets, host: Host) -> None:
    """One by one: those that were renamed and those that were not are led to as one group."""
    port, names = free(), ("web.1", "web.2", "web.3")
    of = {name: started(sockets, host, name, port) for name in names}
    for name in names:
        sockets.leading.lead(name, 1, here=True)
    ended(sockets, host, "web.1")
    of["web.1"] = started(sockets, host, "web.1", port, name="other")
    clients = [knock(port) for _ in range(30)]
    assert lines(of, 30)["web.1"] == 0
    sockets.leading.part("web.2", 1)
    sockets.leading.part("web.3", 1)
    sockets.leading.lead("web.1", 2, here=True)
    clients += [knock(port) for _ in range(10)]
    assert lines(of, 40)["web.1"] == 10
    for client in clients:
        client.close()


def test_one_that_runs_gets_no_second_socket(sockets: Sockets, host: Host) -> None:
    """Where its own can't be had again: nobody would take those who are led to a new one."""
    host.alive.add("web.1")
    with pytest.raises(SpawnFailed, match=r"web\.1 runs"):
        sockets.want("web.1", [wish(free())])


def test_an_end_waits_until_the_line_is_empty() -> None:
    """And a little longer, for who was let in last has yet to be heard."""
    loop, told = Loop(), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as sock, knock(sock.getsockname()[1]):

        def accept() -> None:
            told.append("accepted")
            sock.accept()[0].close()

        def over() -> None:
            told.append("over")
            loop.stop()

        run_empty(loop, [sock], over)
        loop.later(QUIET / 2, accept)
        loop.run()
    assert told == ["accepted", "over"]
