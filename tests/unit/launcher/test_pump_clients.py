"""Who speaks to the pump, and what happens to one that can't be answered."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from beeyard.launcher import pump
from beeyard.launcher.paths import Paths
from beeyard.launcher.protocol import Message, Unpacker, pack
from beeyard.launcher.pump_clients import Client, Clients
from tests.descriptors import opened

NOWHERE = 10**6
"""A descriptor that can't be duplicated: the same error as where there is no room for one more."""


def ask(clients: Clients, path: Path, kind: str) -> bytes:
    """What it is answered; nothing if it is hung up on."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        clients.serve(60)
        sock.sendall(pack({"type": kind, "id": 1}))
        clients.serve(60)
        return sock.recv(4096)


def test_who_can_not_be_given_its_files_is_lost_alone(tmp_path: Path) -> None:
    """The next one is served."""

    def answer(client: Client, message: Message) -> Message:
        client.giving += [0, NOWHERE] if message["type"] == "kept" else []
        return {"ok": True}

    path = tmp_path / "pump.sock"
    with closing(Clients(str(path), answer)) as clients:
        before = opened()
        assert ask(clients, path, "kept") == b""
        assert not opened() - before
        assert Unpacker().feed(ask(clients, path, "stats")) == [{"re": 1, "ok": True}]


class Kept:
    """A pump with room for two sockets, and a launcher that speaks to it."""

    def __init__(self, state: Path) -> None:
        self.paths = Paths(str(state))
        self.paths.create()
        self.pump = pump.Pump(self.paths, [])
        self.client = Client(socket.socket())

    def keep(self, name: str) -> Message:
        """Give it one more."""
        self.client.files.append(os.dup(0))
        return self.ask("keep", owner="web", name=name, wish={}, users=["web.1"])

    def ask(self, kind: str, **fields: object) -> Message:
        """Its answer."""
        return self.pump._answer(self.client, {"type": kind, **fields})


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Full after two, a duplicate of each included."""
    monkeypatch.setattr(pump, "_most_descriptors", lambda: 2 * pump.SPARE + 3)
    made = Kept(tmp_path)
    yield made
    made.pump._clients.close()
    made.client.peer.close()


def test_sockets_that_are_kept_count_as_open_files(kept: Kept) -> None:
    """One more is refused and closed, as is a worker; what is there can be said anew, room that was made is used."""
    full = {"error": "[Errno 24] 0 workers and 2 sockets fill the limit of 131 open files"}
    assert [kept.keep(name) for name in "ab"] == [{"ok": True}] * 2
    before = opened()
    assert kept.keep("c") == full
    assert kept.ask("watch", worker="x", max_size=0, max_files=0) == full
    assert kept.keep("a") == {"ok": True}
    assert not opened() - before
    assert kept.ask("lose", owner="web", name="b") == {"ok": True}
    assert kept.keep("c") == {"ok": True}
    assert [entry["name"] for entry in kept.ask("kept")["sockets"]] == ["a", "c"]
