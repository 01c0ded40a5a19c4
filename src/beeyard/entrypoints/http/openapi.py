"""The API described: OpenAPI 3.1, made from OPERATIONS and from nothing else that has to be kept in step.

The document is the same for everybody as long as the version is, and says nothing of this host or its workers. What
decoding refuses is refused by these schemas as well: both are made of the same types.
"""

import hashlib
import inspect
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from beeyard.adapters.providers import PROVIDERS
from beeyard.application.operation import JobId, Operation
from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.token_create import TokenCreated
from beeyard.application.problems import ProblemDocument
from beeyard.application.views import JobState
from beeyard.domain.limits import Limits
from beeyard.domain.spec import RestartPolicy, WorkerSpec
from beeyard.entrypoints.http import parts, serving
from beeyard.entrypoints.http.login import Session, Ticket

Schema = dict[str, Any]


class Accepted(Struct):
    """A job was accepted, and runs. `sse_url`: where to follow it."""

    job_id: JobId
    state: JobState
    sse_url: str


class Pulse(Struct):
    """`degraded`: it supervises from memory, for the store can't be written."""

    status: Literal["ok", "degraded"]


@cache
def encoded() -> tuple[bytes, str]:
    """The document as bytes, and a tag that changes with them."""
    body = msgspec.json.encode(document())
    return body, hashlib.sha256(body).hexdigest()[:32]


def document() -> Schema:
    """The whole description."""
    schemas = _Schemas()
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS.values():
        paths[f"/v1/operations/{operation.name}"] = {"post": _posted(operation, schemas)}
        if operation.route:
            method, path = operation.route.split(" ")
            paths.setdefault(path, {})[method.lower()] = _plain(operation, path, schemas)
    paths.setdefault("/v1/jobs", {})["post"] = _job(schemas)
    paths |= parts.browser(schemas.of(Ticket), schemas.of(Session))
    paths["/healthz"] = {"get": parts.opened("healthz", "Say whether anybody is there.", schemas.of(Pulse))}
    paths["/openapi.json"] = {"get": parts.opened("openapi", "Describe this API.", {"type": "object"}, tagged=True)}
    paths |= serving.described()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Beeyard", "version": version("beeyard"), "description": parts.ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.all,
            "responses": parts.errors(schemas.of(ProblemDocument)),
            "securitySchemes": parts.SECURITY,
        },
    }


A_MODULE = {"module": {"type": "object"}}
"""Of a spec that runs one."""


class _Schemas:
    """The schemas of every type on the wire, by name."""

    def __init__(self) -> None:
        sections = [
            kind
            for provider in PROVIDERS.values()
            for kind in (provider.section, provider.packaged, provider.hosted)
            if kind
        ]
        asked = [*(operation.request for operation in OPERATIONS.values()), *sections]
        replies = [operation.reply for operation in OPERATIONS.values()]
        self.types: list[Any] = [*asked, *replies, ProblemDocument, Accepted, Pulse, Session, Ticket]
        made = msgspec.json.schema_components(self.types, ref_template=parts.REF)
        self._found, self.all = msgspec.json.decode(msgspec.json.encode(made))  # Defaults may be tuples.
        _, closed = msgspec.json.schema_components(asked, ref_template=parts.REF)
        for name in closed:
            if self.all[name].get("type") == "object":
                self.all[name]["additionalProperties"] = False
        for schema in self.all.values():
            schema["description"] = inspect.cleandoc(schema.get("description", ""))
        self._name_keys()
        self._fit_providers()
        for operation in OPERATIONS.values():
            if operation.kept:
                self.all[job_name(operation)] = self._as_job(operation)

    def of(self, kind: Any) -> Schema:
        """The schema of a type, by reference where it has a name."""
        found: Schema = self._found[next(at for at, known in enumerate(self.types) if known == kind)]
        return found

    def _name_keys(self) -> None:
        """Where only some words can be keys, they are named: of those msgspec says nothing."""
        for kind in (Limits, RestartPolicy, WorkerSpec):
            for name, hint in get_type_hints(kind).items():
                if get_origin(hint) is dict and get_origin(keys := get_args(hint)[0]) is Literal:
                    self.all[kind.__name__]["properties"][name]["propertyNames"] = {"enum": [*get_args(keys)]}

    def _fit_providers(self) -> None:
        """A spec's section is its provider's, which may have others for what runs from a package, and for a module."""
        spec = self.all[WorkerSpec.__name__]
        spec["properties"]["provider"] = {"enum": list(PROVIDERS), "description": "what runs it"}
        spec["anyOf"] = [
            {
                "properties": {"provider": {"const": name}, **present, "run": self.of(section)},
                **({"required": [*present]} if present else {}),
            }
            for present, kind in (({}, "section"), ({"package": {"minLength": 1}}, "packaged"), (A_MODULE, "hosted"))
            for name, provider in PROVIDERS.items()
            if (section := getattr(provider, kind))
        ]

    def _as_job(self, operation: Operation) -> Schema:
        """The request with the operation's name in it."""
        schema = self.all[operation.request.__name__]
        return {
            **schema,
            "title": job_name(operation),
            "properties": {"operation": {"const": operation.name}, **schema.get("properties", {})},
            "required": ["operation", *schema.get("required", [])],
        }


def job_name(operation: Operation) -> str:
    """Of the schema of a request as a job."""
    return f"{operation.request.__name__}Job"


def example(request: type[Any]) -> dict[str, Any]:
    """A request with what it has to have, from the examples that its types give."""
    hints = get_type_hints(request, include_extras=True)
    required = [field.name for field in msgspec.structs.fields(request) if field.required]
    return {
        name: next(meta.examples[0] for meta in get_args(hints[name])[:0:-1] if getattr(meta, "examples", None))
        for name in required
    }


def _posted(operation: Operation, schemas: _Schemas) -> Schema:
    """`POST /v1/operations/NAME`."""
    body = {"schema": schemas.of(operation.request), "examples": {"least": {"value": example(operation.request)}}}
    needed = any(field.required for field in msgspec.structs.fields(operation.request))
    links = {"links": parts.TOKEN_LINKS} if operation.reply is TokenCreated else {}
    return {
        **_told(operation, operation.name),
        "parameters": parts.SPOKEN if operation.changes else [],
        "requestBody": {"required": needed, "content": {"application/json": body}},
        "responses": {
            "200": parts.replied(operation, schemas.of(operation.reply)) | links,
            **parts.ended(operation),
            **parts.refused(operation, body=True),
        },
    }


def _plain(operation: Operation, path: str, schemas: _Schemas) -> Schema:
    """The route of its own."""
    schema = schemas.all[operation.request.__name__]
    parameters = [
        parts.parameter(name, one, "path" if f"{{{name}}}" in path else "query")
        for name, one in schema.get("properties", {}).items()
    ]
    headers = [parts.NONE_MATCH] if operation.version else []
    if operation.streams and (after := schema["properties"].get("after")):
        headers = [parts.last_event(after)]
    return {
        **_told(operation, f"{operation.name}_plain"),
        "parameters": [*parameters, *headers, *(parts.SPOKEN if operation.changes else [])],
        "responses": {
            "200": parts.replied(operation, schemas.of(operation.reply), plain=True),
            **parts.ended(operation),
            **({"304": {"description": "It is as it was.", "headers": parts.ETAG}} if operation.version else {}),
            **parts.refused(operation, body=False),
        },
    }


def _job(schemas: _Schemas) -> Schema:
    """`POST /v1/jobs`."""
    kept = {
        operation.name: {"$ref": parts.REF.format(name=job_name(operation))}
        for operation in OPERATIONS.values()
        if operation.kept
    }
    mapping = {name: one["$ref"] for name, one in kept.items()}
    body = {
        "schema": {"oneOf": list(kept.values()), "discriminator": {"propertyName": "operation", "mapping": mapping}},
        "examples": {"restart": {"value": {"operation": "restart", "workers": ["web"]}}},
    }
    accepted = {
        "description": "It runs, whether or not anybody waits for it.",
        "headers": {"Location": {"description": "The job.", "required": True, "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schemas.of(Accepted)}},
        "links": parts.JOB_LINKS,
    }
    return {
        "operationId": "job_accept",
        "tags": ["jobs"],
        "summary": "Begin an operation as a job.",
        "description": parts.JOB,
        "parameters": [parts.KEY, *parts.SPOKEN],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"202": accepted, **parts.refs(400, 401, 403, 404, 408, 409, 413, 415, 429, 431, 503)},
    }


def _told(operation: Operation, id: str) -> Schema:
    """What it does, and who may ask for it."""
    right = " and the right to install" if operation.install else ""
    return {
        "operationId": id,
        "tags": [parts.tag(operation)],
        "summary": operation.summary,
        "description": f"{inspect.getdoc(operation.request)}\n\nIt takes the role `{operation.role}`{right}.",
        "x-beeyard-role": operation.role,
        "x-beeyard-install": operation.install,
    }
