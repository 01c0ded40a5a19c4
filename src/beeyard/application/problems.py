"""Errors as documents, on the wire (application/problem+json, RFC 9457) and in a job's record; and back."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from beeyard.domain import errors
from beeyard.domain.errors import BeeyardError, Invalid, Limited, Problem

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
        errors.Unidentified,
        errors.Limited,
    )
}


class ProblemDocument(Struct):
    """`type` is the error's class, which says what to do next; `code` stays the same over releases; `problems` are all
    things wrong with an input; `retry_after` is in seconds."""

    type: str = ""
    code: str = "unknown"
    title: str = ""
    status: int = 500
    detail: str = "unknown error"
    hint: str = ""
    problems: list[Problem] = field(default_factory=list)
    retry_after: Annotated[float, Meta(ge=0)] | UnsetType = UNSET


def to_problem(error: BeeyardError) -> dict[str, Any]:
    """The error as a problem document."""
    problems = error.problems if isinstance(error, Invalid) else ()
    document = ProblemDocument(
        type=type(error).__name__,
        code=error.code,
        title=error.code.replace("_", " "),
        status=error.http,
        detail=_written(str(error)),
        hint=_written(error.hint),
        problems=[
            replace(one, path=_written(one.path), found=_written(one.found), hint=_written(one.hint))
            for one in problems
        ],
        retry_after=error.retry_after if isinstance(error, Limited) else UNSET,
    )
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def from_problem(document: Any) -> BeeyardError:
    """The same error on the other side of the wire; whatever came instead is an error of no known class."""
    try:
        read = msgspec.convert(document, ProblemDocument)
    except msgspec.ValidationError:
        return BeeyardError("unknown", "an error that says nothing which can be read")
    kind = CLASSES.get(read.type, BeeyardError)
    if kind is Invalid:
        return Invalid(read.code, read.detail, hint=read.hint, problems=read.problems)
    if kind is Limited:
        after = 1.0 if read.retry_after is UNSET else read.retry_after
        return Limited(read.code, read.detail, hint=read.hint, retry_after=after)
    return kind(read.code, read.detail, hint=read.hint)


def _written(text: str) -> str:
    """Text that can be sent: a file's name need not be Unicode."""
    return text.encode("utf-8", "replace").decode()
