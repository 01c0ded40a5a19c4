"""What schemathesis has to be told before it asks: loaded by it, in its own process."""

import json
from typing import Any

import schemathesis

PATIENCE = 0.05
"""Seconds that a request may wait for workers: nothing here becomes ready later than at once."""
WAITING = ("add", "remove", "restart", "start", "stop")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Any number of seconds up to a year is a good `timeout`: too long for a test."""
    body = case.body
    if not isinstance(body, dict):
        return
    asked = body.get("operation") if case.operation.path == "/v1/jobs" else case.operation.path.rpartition("/")[2]
    wait = body.get("timeout", 60)
    good = isinstance(wait, int | float) and not isinstance(wait, bool) and PATIENCE < wait <= 366 * 86400
    if good and asked in WAITING:
        case.body = body | {"timeout": PATIENCE}


@schemathesis.deserializer("application/x-ndjson")
def lines(context: Any, response: Any) -> list[Any]:
    """One reply a line."""
    return [json.loads(line) for line in response.content.splitlines()]
