"""On what terms a module is run: what whoever runs it has to know, and how a process is told that."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

TERMS = "BEEYARD_MODULE"
"""The environment variable that holds them, as JSON."""
SWAP = signal.SIGHUP
"""Has a process take new code for its module, if a report of it named the code that serves."""


class Terms(Struct, frozen=True, omit_defaults=True):
    """One attempt's.

    Args:
        factory: `package.module:name`, or the name of a registered one.
        folder: where its code lies; empty: installed beside Beeyard.
        config: as written, secrets in place.
        ports: endpoint -> port.
        hosts: endpoint -> the address to listen on, where that is not 127.0.0.1.
        start_timeout: seconds that `initialize` and `start` may take together.
        period: seconds from one question whether it is healthy to the next.
        timeout: seconds in which it has to answer.
        master: the socket of its master's API; empty: there is none.
        environment: what a program finds of Beeyard's in its environment: who it is, and what it was given.
    """

    factory: str
    worker: str
    folder: str = ""
    config: dict[str, Any] = {}
    ports: dict[str, int] = {}
    hosts: dict[str, str] = {}
    start_timeout: float = 30.0
    period: float = 10.0
    timeout: float = 1.0
    master: str = ""
    environment: dict[str, str] = {}


def written(terms: Terms) -> dict[str, str]:
    """As variables of an environment."""
    return {TERMS: msgspec.json.encode(terms).decode()}


def given(environment: Mapping[str, str] = os.environ) -> Terms | None:
    """From an environment; None: nothing was said. Raises msgspec.MsgspecError for what can't be read."""
    text = environment.get(TERMS)
    return None if text is None else msgspec.json.decode(text, type=Terms)
