"""The API's description is valid, whole, and says what the types say."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from openapi_spec_validator import validate

from beeyard.application.operation import Operation
from beeyard.application.operations import OPERATIONS
from beeyard.application.problems import to_problem
from beeyard.domain.errors import Invalid, Problem
from beeyard.entrypoints.http.openapi import document, encoded, example, job_name

DOCUMENT = document()


def schema(name: str) -> dict[str, Any]:
    """A component, with all others in reach."""
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def everything(node: Any = DOCUMENT) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from everything(inner)


def test_it_is_openapi() -> None:
    """As its own schema wants it, references, examples and defaults included."""
    validate(DOCUMENT)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_is_in_it_with_what_it_takes(operation: Operation) -> None:
    """On both of its routes, with its sentence, its role and its right."""
    routes = [("post", f"/v1/operations/{operation.name}")]
    if operation.route:
        method, path = operation.route.split(" ")
        routes.append((method.lower(), path))
    for method, path in routes:
        told = DOCUMENT["paths"][path][method]
        assert told["summary"] == operation.summary
        assert (told["x-beeyard-role"], told["x-beeyard-install"]) == (operation.role, operation.install)
        assert f"the role `{operation.role}`" in told["description"]
        assert {"200", "400", "401", "403", "429", "503"} <= set(told["responses"])
        assert ("304" in told["responses"]) == (operation.version is not None and method == "get")
        kinds = set(told["responses"]["200"]["content"])
        assert kinds == ({"application/x-ndjson", "text/event-stream"} if operation.streams else {"application/json"})
        placed = {one["name"] for one in told["parameters"] if one["in"] == "path"}
        assert placed == set(re.findall(r"{(\w+)}", path))


def test_a_job_is_any_operation_whose_answer_is_kept() -> None:
    """Told apart by its name."""
    body = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    kept = {name: job_name(operation) for name, operation in OPERATIONS.items() if operation.kept}
    assert {name: ref.rpartition("/")[2] for name, ref in body["discriminator"]["mapping"].items()} == kept
    assert "token_create" not in kept
    assert not [name for name, operation in OPERATIONS.items() if operation.kept and operation.streams]
    found = jsonschema_rs.validator_for(schema(kept["restart"]))
    assert found.is_valid({"operation": "restart", "workers": ["web"]})
    assert not found.is_valid({"operation": "stop", "workers": ["web"]})


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_the_examples_are_good_requests(operation: Operation) -> None:
    """For the type, and for the schema made of it."""
    given = example(operation.request)
    msgspec.convert(given, operation.request)
    jsonschema_rs.validator_for(schema(operation.request.__name__)).validate(given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../x"},
        {"id": "web\n"},
        {"restat": {}},
        {"probes": {"sometimes": {"means": "tcp"}}},
        {"restart": {"severity": {"mild": 1}}},
        {"endpoints": {"api": {"port": 65536}}},
        {"provider": "proces"},
        {"run": {"executable_path": "bin/true"}},
        {"run": {"executable_path": "/bin/true", "args": ["a\0b"]}},
        {"run": {"executable_path": "/bin/true", "environment": {"A=B": "c"}}},
        {"stop": []},
        {"logs": {"max_size": 1}},
    ],
)
def test_the_schema_refuses_what_decoding_refuses(wrong: dict[str, Any]) -> None:
    """Whoever checks before sending finds the same."""
    good = {"id": "web", "provider": "process", "run": {"executable_path": "/bin/true"}}
    found = jsonschema_rs.validator_for(schema("Add"))
    assert found.is_valid({"specs": [good]})
    assert not found.is_valid({"specs": [good | wrong]})


def test_the_schema_has_the_sections_of_workers_from_packages() -> None:
    """They may say less, but only with a package."""
    found = jsonschema_rs.validator_for(schema("Add"))
    for run in ({}, {"executable_path": "bin/web"}):
        bare = {"id": "web", "provider": "process", "run": run}
        assert found.is_valid({"specs": [bare | {"package": "caddy:<3"}]})
        assert not found.is_valid({"specs": [bare | {"package": ""}]})
        assert not found.is_valid({"specs": [bare]})


NAMES = (
    "a.B/C",
    "web",
    "/a",
    "any",
    "job-01890a5d-ac96-774b-bcce-b302099a8057",
    "0" * 64,
    f"1:{'0' * 64}",
    "tcp://hive",
    "sat,sun 22:00-06:00",
)


def test_no_name_may_end_with_a_line_end() -> None:
    """Python's `$` lets one pass, which JSON Schema's does not: a pattern that takes no other takes no last one."""
    patterns = {one["pattern"] for one in everything() if isinstance(one.get("pattern"), str)}
    tried = {(pattern, name) for pattern in patterns for name in NAMES if re.search(pattern, name)}
    assert {pattern for pattern, _ in tried} == patterns
    for pattern, name in tried:
        assert bool(re.search(pattern, f"{name}\n")) == bool(re.search(pattern, f"{name}\n{name}")), pattern


def test_errors_are_of_the_shape_that_is_told() -> None:
    """Whatever they carry."""
    found = jsonschema_rs.validator_for(schema("ProblemDocument"))
    found.validate(to_problem(Invalid("c", "t", problems=[Problem("a", "b", "c")])))


def test_ids_and_links_lead_somewhere() -> None:
    """Each operation id is there once, and every link names one."""
    told = [one for path in DOCUMENT["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in told]
    assert len(ids) == len(set(ids))
    links = [link for one in told for reply in one["responses"].values() for link in reply.get("links", {}).values()]
    assert len(links) == 4
    assert {link["operationId"] for link in links} <= set(ids)


def test_it_is_made_once_and_has_a_tag() -> None:
    """The same bytes for everybody."""
    assert encoded() is encoded()
    body, tag = encoded()
    assert msgspec.json.decode(body) == DOCUMENT
    assert re.fullmatch("[0-9a-f]{32}", tag)
