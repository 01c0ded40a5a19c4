"""How a process says how it is that shares no socket with its master: it registers once, and goes on over HTTP.

The words are those of sd_notify(3), sent in their order by a thread of its own: nobody waits for the network. One that
can't be sent is tried again after a second, and later and later, up to a minute. One that says the same things anew
takes the place of the last that still waits; of too many those go that are missed least, and never one that says
whether it is ready or stopping. What it registers with is good once, so the session is this process's alone, and none
of its children's.
"""

import atexit
import json
import logging
import os
import ssl
import threading
from collections import deque
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

MOST = 64
"""Words that wait, but for those that can't be spared."""
FIRST, LAST = 1.0, 60.0
"""Seconds until the first, and at most until any further try."""
ANSWER = 10.0
"""Seconds for one answer."""
FAREWELL = 2.0
"""Seconds that the process's end waits for what was not sent yet."""

log = logging.getLogger("beeyard")


class Final(Exception):
    """The master says no, and will say so again; the status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Registered:
    """One process's voice.

    Args:
        url: of the master.
        token: the one to register with.
        ca: a file of certificates to trust; empty: those of the system.
        first: seconds until the first new try.
    """

    def __init__(self, url: str, token: str, ca: str = "", first: float = FIRST) -> None:
        self._url = urlsplit(url)
        self._token = token
        self._ca = ca
        self._first = first
        self._session = ""
        self._over = False
        self._process = os.getpid()
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="beeyard-registered", daemon=True).start()
        atexit.register(self.flush, FAREWELL)

    def say(self, text: str) -> bool:
        """Have it sent. False: nobody will hear it."""
        if self._over or self._process != os.getpid():
            return False
        with self._changed:
            if len(self._waiting) and _names(self._waiting[-1]) == _names(text):
                self._waiting.pop()
            self._waiting.append(text)
            if len(self._waiting) > MOST and (spare := _spare(list(self._waiting))) is not None:
                del self._waiting[spare]
            self._changed.notify_all()
        return True

    def flush(self, within: float) -> bool:
        """Wait until all was sent. False: not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting or self._over, within)

    def _run(self) -> None:
        pause = self._first
        while not self._over:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                text = self._waiting[0]
            try:
                if not self._session:
                    self._session = str(self._ask("register", self._token)["token"])
                self._ask("report", self._session, text=text)
            except Final as error:
                if self._session and error.status == 400:
                    log.warning("the master does not understand %r: %s", text, error)
                    self._sent(text)
                else:
                    self._end(error)
            except (OSError, HTTPException, ValueError) as error:
                log.warning("the master can't be told, trying again in %gs: %s", pause, error)
                threading.Event().wait(pause)
                pause = min(2 * pause, LAST)
            else:
                pause = self._first
                self._sent(text)

    def _sent(self, text: str) -> None:
        with self._changed:
            if self._waiting and self._waiting[0] is text:  # It may have been replaced meanwhile.
                self._waiting.popleft()
            self._changed.notify_all()

    def _end(self, error: Final) -> None:
        log.error("the master hears no more of this process: %s", error)
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _ask(self, operation: str, token: str, **fields: str) -> Any:
        """The reply. Raises Final, and OSError or HTTPException for what may pass."""
        connection = self._connection()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/v1/operations/{operation}", json.dumps(fields), headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status == 200:
            return json.loads(body)
        why = f"{answer.status} {_detail(body) or answer.reason}"
        if answer.status in (400, 401, 403, 404, 409, 422):
            raise Final(answer.status, why)
        raise HTTPException(why)

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme != "https":
            return HTTPConnection(host, port, timeout=ANSWER)
        trusted = ssl.create_default_context(cafile=self._ca or None)
        return HTTPSConnection(host, port, timeout=ANSWER, context=trusted)


def _names(text: str) -> list[str]:
    """Of what it says something. Two words on the watchdog are the same one only if they say the same."""
    return [line if line.startswith("WATCHDOG=") else line.partition("=")[0] for line in text.splitlines()]


def _spare(words: list[str]) -> int | None:
    """Which one is missed least: one whose names a later one says all anew, or else the first on how it is now, or else
    the first that is no change of state. None: there is no such."""
    names = [set(_names(word)) for word in words]
    anew = (at for at, said in enumerate(names) if any(said <= later for later in names[at + 1 :]))
    passing = (at for at, said in enumerate(names) if said <= {"STATUS", "WATCHDOG=1"})
    others = (at for at, said in enumerate(names[:-1]) if not said & {"READY", "STOPPING"})
    return next(chain(anew, passing, others), None)


def _detail(body: bytes) -> str:
    """What a problem says of itself."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get("detail", "")) if isinstance(found, dict) else ""
