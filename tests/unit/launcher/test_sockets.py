"""How the sockets that workers are given come to be, what the kernel is told of them, and whose they are."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from beeyard.launcher.refusals import SpawnFailed
from beeyard.launcher.sockets import Sockets
from tests.descriptors import opened

TWO = """
import socket
made = [socket.create_server(("127.0.0.1", 0)) for _ in "ab"]
print(*(sock.fileno() for sock in made), *(sock.getsockname()[1] for sock in made), flush=True)
input()
"""


class Kept:
    """What the pump was told, and who may have inherited."""

    def __init__(self) -> None:
        self.lost: list[tuple[str, str]] = []
        self.heirs: list[int] = []

    def lose(self, owner: str, name: str) -> None:
        """Keep it no longer."""
        self.lost.append((owner, name))


@pytest.fixture
def kept() -> Kept:
    """Nothing, and nobody to inherit from."""
    return Kept()


@pytest.fixture
def sockets(kept: Kept) -> Iterator[Sockets]:
    """Of a launcher that began just now."""
    made = Sockets(lambda entry, fd: None, kept.lose, lambda owner: kept.heirs)
    yield made
    made.close()


def wish(name: str = "http", **more: Any) -> dict[str, Any]:
    """For a socket of the group web."""
    return {"owner": "web", "name": name, "host": "127.0.0.1", "port": 0, **more}


def silent(sockets: Sockets, **more: Any) -> tuple[int, int]:
    """For how long who says nothing is kept from the worker; and the socket's number."""
    (held,) = sockets.want("web.1", [wish(**more)])
    return held.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT), held.sock.fileno()


def test_who_connects_and_says_nothing_is_kept_from_a_worker_that_is_asked(sockets: Sockets) -> None:
    """A server that speaks first gets them at once. The socket stays the same when that changes."""
    first, number = silent(sockets, asked=True)
    assert first > 0
    assert silent(sockets) == (0, number)
    assert silent(sockets, asked=True) == (first, number)


# --- files ----------------------------------------------------------------------------------------------------------


def at(path: Path, mode: int = 0o660, **more: Any) -> dict[str, Any]:
    """A wish for a file."""
    return {"owner": "web", "name": "file", "path": str(path), "mode": mode, **more}


def swapped(monkeypatch: pytest.MonkeyPatch, swap: Callable[[], object]) -> None:
    """Somebody does this in the moment after the file was made."""
    real = socket.socket.bind

    def bind(sock: socket.socket, address: Any) -> None:
        real(sock, address)
        swap()

    monkeypatch.setattr(socket.socket, "bind", bind)


@pytest.mark.parametrize("mode", [0o600, 0o620, 0o666])
def test_a_file_has_the_mode_that_was_asked_for(sockets: Sockets, tmp_path: Path, mode: int) -> None:
    """Whatever our own umask is, which stays as it was; also if it is given to somebody."""
    for path, more in ((tmp_path / "a", {}), (tmp_path / "b", {"user": os.geteuid(), "group": os.getegid()})):
        before = os.umask(0o077)
        try:
            sockets.want("web.1", [at(path, mode, **more)])
        finally:
            after = os.umask(before)
        assert after == 0o077
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("given", [{}, {"user": os.geteuid(), "group": os.getegid()}], ids=["ours", "given away"])
@pytest.mark.parametrize("put", [os.symlink, os.link, os.rename], ids=["symlink", "link", "file"])
def test_what_is_put_into_its_place_is_left_alone(
    sockets: Sockets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, int], put: Callable[..., None]
) -> None:
    """By who may write in that folder, between two steps of ours: no file of others gets another mode or owner."""
    secret, path = tmp_path / "secret", tmp_path / "web.sock"
    secret.touch(0o600)
    changed: list[int] = []
    with secret.open() as file:

        def swap() -> None:
            path.unlink()
            put(secret, path)
            changed.append(os.fstat(file.fileno()).st_ctime_ns)

        swapped(monkeypatch, swap)
        with pytest.raises(SpawnFailed, match=f"^listen at {path}: ") if given else nullcontext():
            sockets.want("web.1", [at(path, **given)])
        found = os.fstat(file.fileno())
    assert (stat.S_IMODE(found.st_mode), [found.st_ctime_ns]) == (0o600, changed)


# --- taken back -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ports(kept: Kept) -> Iterator[tuple[int, int]]:
    """Of a living process that has two sockets, http and admin."""
    environment = {"LISTEN_FDNAMES": "http:admin"}
    program = [sys.executable, "-I", "-S", "-c", TWO]
    with subprocess.Popen(program, stdin=-1, stdout=-1, text=True, env=environment) as process:
        assert process.stdout is not None
        first, second, *found = map(int, process.stdout.readline().split())
        assert (first, second) == (3, 4)
        kept.heirs.append(process.pid)
        yield found[0], found[1]
        process.communicate("\n")


@pytest.mark.parametrize("known", [True, False], ids=["ports known", "ports unknown"])
@pytest.mark.parametrize("order", [("http", "admin"), ("admin", "http")], ids="+".join)
def test_each_of_two_is_taken_back_under_its_own_name(
    sockets: Sockets, ports: tuple[int, int], order: tuple[str, ...], known: bool
) -> None:
    """Although another port would do for either; nothing else of that process stays open here."""
    of = dict(zip(("http", "admin"), ports, strict=True))
    before = opened()
    wishes = [wish(name, port=of[name] if known else 0, any=True) for name in order]
    sockets.want("web.1", wishes)
    assert sockets.ports("web.1", wishes) == of
    assert (opened() - before).total() == 2


def test_a_fixed_port_is_taken_back_wherever_it_lies(sockets: Sockets, ports: tuple[int, int]) -> None:
    """A process may have moved its sockets: the address says which it is."""
    wishes = [wish("http", port=ports[1])]
    sockets.want("web.1", wishes)
    assert sockets.ports("web.1", wishes) == {"http": ports[1]}


# --- left by a predecessor ------------------------------------------------------------------------------------------


def left(name: str, *users: str) -> tuple[dict[str, Any], int]:
    """One of a predecessor's."""
    return {"owner": "web", "name": name, "wish": wish(name), "users": list(users)}, socket.socket().detach()


def test_who_was_removed_before_a_predecessors_sockets_were_there_has_none(sockets: Sockets, kept: Kept) -> None:
    """Of those that nobody else has: they are closed here and given up there."""
    before = opened()
    sockets.release("web.1")
    sockets.want("web.2", [wish("http")])
    sockets.take([left("http", "web.1", "web.2"), left("alone", "web.1"), left("admin", "web.1", "web.3")])
    assert kept.lost == [("web", "alone")]
    assert {held.name: held.users for held in sockets} == {"http": {"web.2"}, "admin": {"web.3"}}
    assert (opened() - before).total() == 2
