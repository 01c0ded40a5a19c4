"""Where a master is reached with a browser, in one line for people; on a terminal with a link that logs in."""

import sys
import time
from contextlib import suppress

from beeyard.application.operations.info import Info, InfoView
from beeyard.application.operations.token_link import LoginLink, TokenLink
from beeyard.domain.errors import BeeyardError
from beeyard.entrypoints.cli.client import Client
from beeyard.entrypoints.cli.screen import say

PATIENCE = 2.0
"""Seconds that a new address is waited for: one by a name may have to ask a name server."""


def tell(client: Client) -> None:
    """To standard error; nothing where the file says `listen: none`. Never fails: what was asked for is done by now."""
    with suppress(BeeyardError):
        info = _settled(client)
        if info.url is not None:
            say(f"{info.url}{_link(client)}")
        elif info.network not in ("off", ""):
            say(f"no address on the network: {info.network}")


def _link(client: Client) -> str:
    """Not into a file or a log: it opens the door to whoever reads it first."""
    with suppress(BeeyardError):
        if sys.stderr.isatty():
            link: LoginLink = client.ask(TokenLink())
            return f", to log in once: {link.url}"
    return ""


def _settled(client: Client) -> InfoView:
    deadline = time.monotonic() + PATIENCE
    while True:
        info: InfoView = client.ask(Info())
        if info.network != "changing" or time.monotonic() >= deadline:
            return info
        time.sleep(0.02)
