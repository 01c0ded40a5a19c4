"""Whom the command line asks, in whose name, and how it names the same master again."""

from collections.abc import Callable

import pytest

from beeyard.application.operations.ps import Ps
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Invalid
from beeyard.entrypoints.cli.client import Client, operator
from beeyard.entrypoints.cli.target import Target, chosen
from beeyard.launcher.paths import Paths
from tests.unit.entrypoints.conftest import SocketMaster, TcpMaster


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests is nobody in particular."""
    for name in ("SUDO_USER", "DOAS_USER", "BEEYARD_URL", "BEEYARD_TOKEN", "BEEYARD_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["SUDO_USER", "DOAS_USER"])
def test_who_became_root_is_told(
    paths: Paths, master: SocketMaster, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Root alone says little about who did it."""
    master.answers["ps"] = (200, [])
    Client(paths).ask(Ps())
    assert "beeyard-operator" not in master.heard[-1]
    monkeypatch.setenv(variable, "ann")
    assert operator() == "ann"
    Client(paths).ask(Ps())
    assert master.heard[-1]["beeyard-operator"] == "ann"


def test_what_is_said_goes_before_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL or a folder on the command line before either in the environment; the URL there before the folder."""
    monkeypatch.setenv("BEEYARD_URL", "https://env")
    monkeypatch.setenv("BEEYARD_STATE_DIR", "/env")
    assert chosen(None, None).name == "https://env"
    assert chosen("/said", None).name == "/said"
    assert chosen(None, "https://said").name == "https://said"
    monkeypatch.delenv("BEEYARD_URL")
    assert chosen(None, None).name == "/env"
    with pytest.raises(Invalid, match="not at both"):
        chosen("/said", "https://said")


def test_a_hint_names_the_same_master(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be typed as it stands."""
    assert Target(Paths("/my folder")).command("ps") == "beeyard --state-dir '/my folder' ps"
    target = Target(Paths("/s"), "https://h")
    assert target.command("why web") == "beeyard --url https://h why web"
    monkeypatch.setenv("BEEYARD_URL", "https://h")
    assert target.command("why web") == "beeyard why web"


def test_what_takes_more_than_asking_is_not_done_from_afar() -> None:
    """It says where it is done."""
    with pytest.raises(Invalid, match="on the host itself, not through https://h"):
        Target(Paths("/s"), "https://h").paths  # noqa: B018


def test_a_url_is_asked_with_the_token_of_the_environment(
    tcp_master: TcpMaster, worker: Callable[..., WorkerView], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token on the command line would be there for everybody to read."""
    monkeypatch.setenv("BEEYARD_TOKEN", "bee_x")
    tcp_master.answers["ps"] = (200, [worker("web")])
    assert [view.id for view in chosen(None, tcp_master.url).client("because").ask(Ps())] == ["web"]
    heard = tcp_master.heard[-1]
    assert (heard["authorization"], heard["beeyard-reason"]) == ("Bearer bee_x", "because")
