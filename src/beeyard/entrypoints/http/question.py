"""What clients say and what they understand, as bytes: requests, headers, replies, errors. Opens no connection."""

import os
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from beeyard.application.operation import Operation
from beeyard.application.operations import BY_REQUEST
from beeyard.application.problems import from_problem
from beeyard.domain.errors import BeeyardError, Invalid, Unavailable
from beeyard.entrypoints.http.where import Where

RETURN = 5.0
"""Seconds in which a launcher brings its master back, as a rule."""
PATIENCE = 30.0
"""Seconds for an answer, beyond those that the request itself asks the master to wait."""
PAUSE = 0.05
"""Seconds between two tries."""
KEY = 128
"""Characters of a job's key."""


class Asked(Struct, frozen=True):
    """One HTTP request.

    `again`: it does no harm to send it twice; `patience`: seconds to wait for the answer, None for as long as it takes.
    """

    path: str
    body: bytes
    headers: dict[str, str]
    again: bool
    patience: float | None = PATIENCE


class Voice(Struct, frozen=True):
    """On whose behalf a client speaks, and why."""

    token: str = ""
    reason: str = ""
    operator: str = ""

    def question(self, request: Any, reason: str = "") -> Asked:
        """Any operation, asked by its request."""
        operation = operation_of(request)
        patience: float | None = float(getattr(request, "timeout", 0.0)) + PATIENCE
        if operation.streams or operation.name in {"apply", "down"}:
            patience = None  # Until something happens; and as long as the workers take to stop.
        path = f"/v1/operations/{operation.name}"
        return Asked(path, _encoded(request), self._headers(reason), not operation.changes, patience)

    def job(self, request: Any, key: str, reason: str = "") -> Asked:
        """The same as a job. It has a key in any case, so that asking twice begins one."""
        operation = operation_of(request)
        named = quote(key or os.urandom(16).hex())
        if len(named) > KEY:
            raise Invalid("key_invalid", "the key of a job has at most {limit} characters", limit=KEY)
        document = {"operation": operation.name, **msgspec.to_builtins(request)}
        headers = {**self._headers(reason), "Idempotency-Key": named}
        return Asked("/v1/jobs", _encoded(document), headers, again=True)

    def _headers(self, reason: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if text := reason or self.reason:
            headers["Beeyard-Reason"] = quote(text)
        if self.operator:
            headers["Beeyard-Operator"] = quote(self.operator)
        return headers


class Tries:
    """Whether a request that failed is tried again: for `patience` seconds from the first time that it does."""

    def __init__(self, where: Where, asked: Asked, patience: float) -> None:
        self._where = where
        self._asked = asked
        self._patience = patience
        self._begun: float | None = None

    def refused(self, error: Exception, now: float) -> None:
        """Nobody could be reached. Raises what that means unless it may be different in a moment."""
        absent = self._where.absent(error)
        if self._over(now) or not self._where.returns(absent, known=False):
            raise absent from None

    def broken(self, now: float) -> None:
        """The connection broke before an answer came. Raises Unavailable: `master_gone`."""
        if self._over(now) or not self._asked.again:
            raise self._where.gone() from None

    def _over(self, now: float) -> bool:
        self._begun = now if self._begun is None else self._begun
        return now - self._begun >= self._patience


class Accepted(Struct):
    """What is answered to a job."""

    job_id: str


def operation_of(request: Any) -> Operation:
    """The operation that this is a request of. Raises TypeError."""
    found = BY_REQUEST.get(type(request))
    if found is None:
        raise TypeError(f"{type(request).__name__} is no request")
    return found


def decoded(kind: Any, reply: bytes) -> Any:
    """A reply as this type. Raises Unavailable for one that this version can't read."""
    try:
        return msgspec.json.decode(reply, type=kind)
    except msgspec.DecodeError as error:
        raise _differs(error) from None


def converted(kind: Any, data: Any) -> Any:
    """A job's result as this type. Raises Unavailable likewise."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise _differs(error) from None


def problem(status: int, body: bytes) -> BeeyardError:
    """The error that the master answered."""
    try:
        return from_problem(msgspec.json.decode(body, type=dict[str, Any]))
    except (msgspec.DecodeError, ValueError, AttributeError):
        text = body[:200].decode("latin1")
        return BeeyardError("unknown_answer", "{status}: {text}", status=status, text=text)


def _encoded(document: Any) -> bytes:
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        raise Invalid("not_text", "the request is no valid UTF-8") from None


def _differs(error: Exception) -> Unavailable:
    return Unavailable(
        "master_differs",
        "the master's answer can't be read: {reason}",
        reason=str(error),
        hint="client and master are of different versions: beeyard down and up, or use --json",
    )
