"""What `up` says of the address: never a link where it would be kept."""

import sys
from typing import Any, cast

import pytest

from beeyard.application.operations.info import InfoView
from beeyard.application.operations.token_link import LoginLink
from beeyard.domain.errors import Unavailable
from beeyard.entrypoints.cli import address
from beeyard.entrypoints.cli.client import Client

URL = "http://127.0.0.1:8600"
LINK = f"{URL}/login#bee_x"


class FakeClient:
    """Answers with these addresses, one after the other; and with a link, or with the store's trouble."""

    def __init__(self, *answers: tuple[str | None, str], full: bool = False) -> None:
        self._answers = list(answers)
        self._full = full

    def ask(self, request: Any) -> Any:
        if type(request).__name__ == "TokenLink":
            if self._full:
                raise Unavailable("store_unwritable", "the disk is full")
            return LoginLink(LINK, None)
        url, network = self._answers.pop(0)
        return InfoView("1", "box", 1, 2, 3, "/s", "/s/master.sock", url, 0, "ok", {}, [], network)


@pytest.mark.parametrize(
    ("answers", "terminal", "full", "said"),
    [
        ([(URL, "ok")], False, False, f"{URL}\n"),
        ([(URL, "ok")], True, False, f"{URL}, to log in once: {LINK}\n"),
        ([(URL, "ok")], True, True, f"{URL}\n"),
        ([(None, "changing"), (None, "changing"), (URL, "ok")], False, False, f"{URL}\n"),
        ([(None, "off")], True, False, ""),
        ([(None, "127.0.0.1:80: taken")], True, False, "no address on the network: 127.0.0.1:80: taken\n"),
        ([(None, "")], False, False, ""),  # of an older master
    ],
)
def test_the_address_is_told_in_one_line(
    answers: list[tuple[str | None, str]],
    terminal: bool,
    full: bool,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a link on a terminal alone; once it is settled."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    address.tell(cast(Client, FakeClient(*answers, full=full)))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", said)
