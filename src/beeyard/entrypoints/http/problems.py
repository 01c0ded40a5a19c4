"""Errors on the wire: application/problem+json (RFC 9457), and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from beeyard.domain import errors
from beeyard.domain.errors import BeeyardError, Invalid, Problem

CLASSES: dict[str, type[BeeyardError]] = {
    kind.__name__: kind
    for kind in (
        errors.Invalid,
        errors.NotFound,
        errors.Refused,
        errors.Unavailable,
        errors.Rejected,
        errors.Untrusted,
        errors.Denied,
    )
}


def to_problem(error: BeeyardError) -> dict[str, Any]:
    """The error as a problem document; `type` is its class, `code` stays the same over releases."""
    problems = error.problems if isinstance(error, Invalid) else ()
    return {
        "type": type(error).__name__,
        "code": error.code,
        "title": error.code.replace("_", " "),
        "status": error.http,
        "detail": str(error),
        "hint": error.hint,
        "problems": msgspec.to_builtins(problems),
    }


def from_problem(document: Mapping[str, Any]) -> BeeyardError:
    """The same error on the other side of the wire."""
    kind = CLASSES.get(document.get("type", ""), BeeyardError)
    code, text = document.get("code", "unknown"), document.get("detail", "unknown error")
    if kind is Invalid:
        problems = msgspec.convert(document.get("problems", []), list[Problem])
        return Invalid(code, text, hint=document.get("hint", ""), problems=problems)
    return kind(code, text, hint=document.get("hint", ""))
