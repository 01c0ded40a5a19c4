"""HTTP over real TCP, as strangers and browsers speak it; and certificates made on the spot."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from tests.yard import PATIENCE, Yard, eventually

QUESTION = {"Content-Type": "application/json"}


class Answer(Struct):
    """Status, headers, and the body's JSON, or its text."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Of a problem."""
        return str(self.body.get("code", ""))


class Caller:
    """Calls one address from one of this host's own: each of 127.0.0.0/8 is a stranger of its own."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> None:
        parts = urlsplit(url)
        self._where = (parts.hostname or "", parts.port or 0)
        self._tls = tls
        self._source = source

    def open(self) -> http.client.HTTPConnection:
        """A connection, which is connected."""
        host, port = self._where
        source = (self._source, 0) if host == "127.0.0.1" else None
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        connection.sock = socket.create_connection(self._where, PATIENCE, source)
        if self._tls is not None:
            connection.sock = self._tls.wrap_socket(connection.sock, server_hostname=host)
        return connection

    def ask(
        self, method: str, path: str, token: str = "", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; of an answer without end only the head is read."""
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        with contextlib.closing(self.open()) as connection:
            question = None if body is None else json.dumps(body)
            connection.request(method, path, question, {**QUESTION, **bearer, **(headers or {})})
            answer = connection.getresponse()
            kind = answer.headers.get_content_type()
            endless = kind in ("text/event-stream", "application/x-ndjson")
            text = b"" if endless else answer.read()
            return Answer(
                answer.status, dict(answer.headers), json.loads(text) if text and kind.endswith("json") else text
            )

    def operate(self, operation: str, token: str = "", /, **fields: Any) -> Answer:
        """One operation."""
        return self.ask("POST", f"/v1/operations/{operation}", token, fields)


def url_of(yard: Yard) -> str:
    """Where its master is served, as soon as it is."""
    return str(eventually(lambda: yard.ask("info")["url"], "an address"))


def listen(yard: Yard, **listen: Any) -> None:
    """Make this the address it listens on."""
    yard.ask("apply", specs=[], origin="test", master={"listen": listen})


def certificate(folder: Path, name: str, by: str = "") -> ssl.SSLContext:
    """NAME.crt and NAME.key for this host, signed by itself or `by`; returns how a client trusts it."""
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", f"/CN={name}", "-addext", names, "-keyout", f"{name}.key", "-out", f"{name}.crt"]  # fmt: skip
    signed = ["-CA", f"{by}.crt", "-CAkey", f"{by}.key"] if by else []
    subprocess.run([*make, *signed], cwd=folder, check=True, capture_output=True)
    return ssl.create_default_context(cafile=str(folder / f"{by or name}.crt"))
