"""Pieces of the API's description that are the same for all operations. Knows OpenAPI's words, and no operation."""

from typing import Any

import msgspec

from beeyard.application.operation import Operation
from beeyard.entrypoints.http import reading

Schema = dict[str, Any]

REF = "#/components/schemas/{name}"

ABOUT = """What the command line can do, a program can do here.

Every operation is asked by `POST /v1/operations/NAME` with its request as JSON; many have a plain route as well. What
changes something is carried out to its end, whether or not whoever asked waits; `POST /v1/jobs` does not wait at all.
A key given twice is refused, and so is one that nobody knows. Errors are problem documents (RFC 9457): `type` is the
class of the error, `code` stays the same over releases, `problems` names each thing wrong with an input.
"""

JOB = """The request of an operation with its name in `operation`. The answer comes as soon as it is saved that the
job was asked for; its events can be followed, by any number of readers and from any point, for a day."""

SECURITY: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token, as `beeyard token create` prints it. On the master's own socket none is needed.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "beeyard_session",
        "description": "A browser's session, as a login link gives one; the name ends with `_` and the port.",
    },
}

_TEXT = {"type": "string"}

SPOKEN: list[Schema] = [
    {
        "name": name,
        "in": "header",
        "description": f"{what}, percent-encoded; the journal keeps it.",
        "schema": _TEXT,
    }
    for name, what in (("Beeyard-Operator", "The person behind the account"), ("Beeyard-Reason", "Why"))
]
KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Who asks again with the same key gets the same job.",
    "schema": {"type": "string", "pattern": reading.KEY},
}
NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an earlier answer: if it still holds, the answer is 304.",
    "schema": _TEXT,
}
ETAG: Schema = {"ETag": {"description": "Of this answer.", "required": True, "schema": _TEXT}}
_LINK: Schema = {"Link": {"description": "The next page, if this one is full (RFC 8288).", "schema": _TEXT}}

JOB_LINKS: Schema = {
    name: {"operationId": f"{name}_plain", "parameters": {"id": "$response.body#/job_id"}}
    for name in ("job_get", "job_events", "job_cancel")
}

TOKEN_LINKS: Schema = {
    "token_revoke": {"operationId": "token_revoke_plain", "parameters": {"token": "$response.body#/id"}}
}

_ERRORS: dict[int, tuple[str, str]] = {
    400: ("Invalid", "The request is wrong; `problems` says where."),
    401: ("Unidentified", "Nobody knows who asks."),
    403: ("Denied", "Who asks may not."),
    404: ("NotFound", "There is no such thing."),
    408: ("TooSlow", "The rest of the body did not come."),
    409: ("Refused", "Not in this state."),
    413: ("TooLarge", "The body is too long."),
    415: ("OtherMediaType", "The body is something else than JSON."),
    429: ("Limited", "Too many failures; `retry_after` seconds from now it may be tried again."),
    431: ("TooLong", "A line of the request is too long to be read at all."),
    502: ("Rejected", "Something outside said no."),
    503: ("Unavailable", "Something outside is down; try again later."),
}
_ERROR_HEADERS: dict[int, Schema] = {
    401: {"WWW-Authenticate": {"required": True, "schema": _TEXT}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
}
_NAMES = frozenset({"worker", "workers", "id", "token", "package", "packages", "orphans"})
"""Fields that name something which may not be there."""


def errors(problem: Schema) -> Schema:
    """Every error answer, by name."""
    content = {"application/problem+json": {"schema": problem}}
    return {
        name: {"description": text, "content": content}
        | ({"headers": more} if (more := _ERROR_HEADERS.get(status)) else {})
        for status, (name, text) in _ERRORS.items()
    }


def refs(*statuses: int) -> Schema:
    """These error answers."""
    return {str(status): {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in statuses}


def refused(operation: Operation, *, body: bool) -> Schema:
    """The error answers that an operation can give; of one that changes nothing, those that it says it raises."""
    raised = operation.handle.__doc__ or ""
    names = {field.name for field in msgspec.structs.fields(operation.request)}
    statuses = [400, 401, 403, 429, 431, 503]
    statuses += [404] if names & _NAMES or "NotFound:" in raised else []
    statuses += [409] if operation.changes or "Refused:" in raised else []
    statuses += [502] if operation.changes or "Untrusted:" in raised else []
    statuses += [408, 413, 415] if body else []
    return refs(*sorted(statuses))


def replied(operation: Operation, reply: Schema, *, plain: bool = False) -> Schema:
    """The answer of one that was carried out."""
    if operation.streams:
        event = {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": "The cursor to come back with."},
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": reply},
            },
        }
        return {
            "description": "One after the other, as they come.",
            "content": {
                "application/x-ndjson": {"schema": {"type": "array", "items": reply, "description": "One a line."}},
                "text/event-stream": {"schema": {"type": "array", "items": event}},
            },
        }
    headers: Schema = {}
    if plain:
        names = {field.name for field in msgspec.structs.fields(operation.request)}
        headers = (ETAG if operation.version else {}) | (_LINK if {"limit", "after"} <= names else {})
    return {"description": "Done.", "headers": headers, "content": {"application/json": {"schema": reply}}}


def ended(operation: Operation) -> Schema:
    """The answer to a browser that comes back to a stream which is over."""
    text = "There will be no more events: the answer to those who accept `text/event-stream`."
    return {"204": {"description": text}} if operation.streams else {}


def parameter(name: str, schema: Schema, place: str) -> Schema:
    """A field in a path, a query or a header. What may be absent is absent: there is no null in a query."""
    choices = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key != "anyOf"} | (choices[0] if choices else {})
    if plain.get("default", ...) is None:
        del plain["default"]
    if plain.get("type") == "array":
        plain["maxItems"] = reading.LISTED
    told = {"description": text} if (text := plain.get("description")) else {}
    many = {"style": "form", "explode": True} if plain.get("type") == "array" else {}
    return {"name": name, "in": place, "required": place == "path", "schema": plain, **told, **many}


def last_event(after: Schema) -> Schema:
    """The same cursor as a browser says it when it comes back."""
    told = {"name": "Last-Event-ID", "description": "`after`, as a browser says it when it comes back; it goes first."}
    return parameter("after", after, "header") | told


def opened(id: str, summary: str, reply: Schema, *, tagged: bool = False) -> Schema:
    """A route for everybody."""
    answer = {"description": "Done.", "content": {"application/json": {"schema": reply}}}
    responses: Schema = {"200": answer | ({"headers": ETAG} if tagged else {})}
    if tagged:
        responses["304"] = {"description": "It is as it was.", "headers": ETAG}
    headers = [NONE_MATCH] if tagged else []
    return {
        "operationId": id,
        "tags": ["master"],
        "summary": summary,
        "security": [],
        "parameters": headers,
        "responses": responses | refs(403, 429, 431),
    }


def fetched(id: str, name: str, summary: str) -> Schema:
    """A route that answers with the bytes of a file, all of them or a range."""
    held: Schema = {"application/octet-stream": {"schema": {}}}
    span = {"name": "Range", "in": "header", "description": "Of the bytes that are wanted.", "schema": _TEXT}
    return {
        "operationId": id,
        "tags": ["package"],
        "summary": summary,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT}, span],
        "responses": {
            "200": {"description": "The file.", "content": held},
            "206": {"description": "A part of it.", "content": held},
            "416": {"description": "It has no such range."},
        }
        | refs(401, 403, 404, 429, 431, 503),
    }


def browser(ticket: Schema, session: Schema) -> Schema:
    """How a browser gets a session, looks at it, and ends it; on the master's own socket nobody needs one."""
    shown = {"description": "Done.", "content": {"application/json": {"schema": session}}}
    cookie = {"Set-Cookie": {"description": "The session.", "required": True, "schema": _TEXT}}
    empty = {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}
    asked = {"required": True, "content": {"application/json": {"schema": ticket}}}
    told = {"tags": ["browser"]}
    login = {"operationId": "login", "summary": "Open a session with the token of a login link.", "security": []}
    logout = {"operationId": "logout", "summary": "End the session.", "security": [{"cookie": []}]}
    look = {"operationId": "session", "summary": "Say who asks, and what that one may do."}
    return {
        "/v1/login": {
            "post": told
            | login
            | {"requestBody": asked}
            | {"responses": {"200": shown | {"headers": cookie}} | refs(400, 401, 403, 408, 413, 415, 429, 431, 503)}
        },
        "/v1/logout": {"post": told | logout | {"responses": {"200": empty} | refs(401, 403, 409, 429, 431, 503)}},
        "/v1/session": {"get": told | look | {"responses": {"200": shown} | refs(401, 403, 429, 431)}},
    }


def tag(operation: Operation) -> str:
    """What it is about."""
    first = operation.name.partition("_")[0]
    names = {field.name for field in msgspec.structs.fields(operation.request)}
    if first in ("job", "token"):
        return f"{first}s"
    return "audit" if first == "audit" else "workers" if names & {"worker", "workers", "specs"} else "master"
