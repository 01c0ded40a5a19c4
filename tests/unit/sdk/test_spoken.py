"""What a module in a process of its own says, as a master understands it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from beeyard.adapters.notify import understood
from beeyard.ports.notify import Word
from beeyard.sdk import Offer, Report
from beeyard.sdk.notify import SOCKET, Spoken

REPORT = Report(healthy=False, reason="no\ndatabase", offers={"api": Offer("grpc", "127.0.0.1:1")}, asked=1.5)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where it speaks; nobody listens yet."""
    monkeypatch.setenv(SOCKET, str(tmp_path / "s"))
    return str(tmp_path / "s")


@pytest.fixture
def ear(address: str) -> Iterator[socket.socket]:
    """Somebody who listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(30)
        listening.bind(address)
        yield listening


def test_a_report_arrives_as_it_was_said(ear: socket.socket) -> None:
    """In a datagram of lines, whatever is in its texts."""
    Spoken().report(REPORT)
    assert understood(ear.recv(65536)) == Word(report=REPORT)


def test_its_readiness_is_said_again_to_who_was_not_there(address: str, request: pytest.FixtureRequest) -> None:
    """While no master listens nothing is heard, and nothing fails; when it stops it is ready no more."""
    voice = Spoken()
    voice.ready(Report())
    ear: socket.socket = request.getfixturevalue("ear")
    voice.report(REPORT)
    voice.stopping()
    voice.report(REPORT)
    words = [understood(ear.recv(65536)) for _ in range(3)]
    assert words == [Word(ready=True, report=REPORT), Word(stopping=True), Word(report=REPORT)]
