"""Requests from the network are read exactly, or refused in words."""

import gzip
import json
from typing import Any
from unittest import mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict

from beeyard.application.operations import OPERATIONS
from beeyard.application.operations.add import Add
from beeyard.application.operations.events import Events
from beeyard.application.operations.ps import Ps
from beeyard.application.operations.restart import Restart
from beeyard.application.operations.why import Why
from beeyard.domain.errors import Invalid, NotFound
from beeyard.entrypoints.http.reading import (
    LISTED,
    body_of,
    from_body,
    from_query,
    idempotency_key,
    job_from_body,
    operation_of,
)

SPEC = '{"id": "web", "provider": "process", "run": {"executable_path": "/bin/true"}}'


def asked(query: str = "", headers: dict[str, str] | None = None, **path: str) -> web.Request:
    """A GET with this query, and these parts of its path."""
    return make_mocked_request("GET", f"/?{query}", CIMultiDict(headers or {}), match_info=path)


def said(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    """What is wrong, a line each."""
    return [str(problem) for problem in error.value.problems]


# --- bodies ---------------------------------------------------------------------------------------------------------


def test_a_spec_needs_to_say_little() -> None:
    """What a person would write with curl."""
    request = from_body(OPERATIONS["add"], f'{{"specs": [{SPEC}]}}'.encode())
    assert isinstance(request, Add)
    assert (request.specs[0].id, request.specs[0].restart.policy, request.wait) == ("web", "on-failure", True)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "the request can't be read: Input data was truncated"),
        (b"\xff", "the request can't be read: JSON is malformed: invalid character (byte 0)"),
        (b"\xef\xbb\xbf{}", "the request can't be read: JSON is malformed: invalid character (byte 0)"),
        (b"{}{}", "the request can't be read: JSON is malformed: trailing characters (byte 3)"),
        (b"[" * 100_000, "the request can't be read: it is nested too deeply"),
        (b'{"limit": 1, "limit": 2}', 'the request can\'t be read: the key "limit" is given twice'),
        (b'{"a": {"b": 1, "\\u0062": 2}}', 'the request can\'t be read: the key "b" is given twice'),
        (b'{"limit": 1e999}', "the request can't be read: a number is out of range - at `$[...]`"),
        (b'{"limit": ' + b"9" * 5000 + b"}", "the request can't be read: Integer value out of range - at `$[...]`"),
        (b'{"limit": NaN}', "the request can't be read: JSON is malformed: invalid character (byte 10)"),
        (b'{"after": "\\ud800"}', "the request can't be read: Input data was truncated"),
        (b'{"limit": 0}', "limit: found 0, expected a whole number from 1 to 10000"),
        (b'{"limit": 2.5}', "limit: found 2.5, expected a whole number from 1 to 10000"),
        (b'{"limit": true}', "limit: found true, expected a whole number from 1 to 10000"),
        (b'{"limt": 1}', "limt: found an unknown key, expected a known key (did you mean limit?)"),
        (b"[]", "$: found [], expected an object"),
        (b"null", "$: found null, expected an object"),
    ],
)
def test_what_is_no_request_is_refused_in_words(body: bytes, text: str) -> None:
    """Whichever layer finds it."""
    with pytest.raises(Invalid) as refused:
        from_body(OPERATIONS["ps"], body)
    assert (refused.value.code, str(refused.value)) == ("request_invalid", text)


def test_a_section_is_looked_into_where_it_is_read() -> None:
    """With the path that whoever sent it knows; what may be a password is not repeated."""
    run = '{"executable_path": "true", "args": ["a\\u0000"], "enviroment": {}, "environment": {"PASSWORD": 12345}}'
    spec = f'{{"id": "../x", "provider": "process", "run": {run}}}'
    with pytest.raises(Invalid) as refused:
        from_body(OPERATIONS["add"], f'{{"specs": [{spec}]}}'.encode())
    assert said(refused) == [
        "specs[0].id: found \"../x\", expected 1 to 64 letters, digits, '_' or '-', and '.N' for an instance"
    ]
    with pytest.raises(Invalid) as refused:
        from_body(OPERATIONS["add"], f'{{"specs": [{SPEC}, {spec.replace("../x", "x")}]}}'.encode())
    assert said(refused) == [
        "specs[1].run.enviroment: found an unknown key, expected a known key (did you mean environment?)",
        'specs[1].run.executable_path: found "true", expected an absolute path',
        'specs[1].run.args[0]: found "a\\u0000", expected text without NUL, of at most 131071 characters',
        "specs[1].run.environment.PASSWORD: found a value, expected text without NUL, of at most 131071 characters",
    ]
    with pytest.raises(Invalid, match="did you mean process") as refused:
        from_body(OPERATIONS["add"], f'{{"specs": [{SPEC.replace("process", "proces")}]}}'.encode())


def test_the_section_of_a_worker_from_a_package_may_say_less() -> None:
    """And name paths in the package."""
    body = (
        '{"specs": [{"id": "web", "provider": "process", "package": "caddy", "run": {"executable_path": "bin/web"}}]}'
    )
    (spec,) = from_body(OPERATIONS["add"], body.encode()).specs
    assert (spec.package, spec.run) == ("caddy", {"executable_path": "bin/web"})
    with pytest.raises(Invalid) as refused:
        from_body(OPERATIONS["add"], body.replace('"package": "caddy", ', "").encode())
    assert said(refused) == ['specs[0].run.executable_path: found "bin/web", expected an absolute path']


def test_a_whole_number_may_be_written_as_json_writes_them() -> None:
    """1.0 and 1e3 are whole numbers to everybody but some programs."""
    assert from_body(OPERATIONS["ps"], b'{"limit": 1.0}').limit == 1
    assert from_body(OPERATIONS["ps"], b'{"limit": 1e3}').limit == 1000
    assert from_body(OPERATIONS["down"], b'{"timeout": 1}').timeout == 1.0


def test_no_body_is_a_request_that_says_nothing() -> None:
    """Where there is nothing that it has to say."""
    assert from_body(OPERATIONS["ps"], b"") == Ps()
    with pytest.raises(Invalid) as refused:
        from_body(OPERATIONS["restart"], b"")
    assert said(refused) == ["workers: found nothing, expected a value: it has no default"]


def test_a_job_names_its_operation() -> None:
    """And is else the operation's request."""
    assert job_from_body(b'{"operation": "restart", "workers": ["web"]}') == (OPERATIONS["restart"], Restart(["web"]))
    for body, found in ((b"[]", "[]"), (b"{}", "null"), (b'{"operation": 5}', "5")):
        with pytest.raises(Invalid) as refused:
            job_from_body(body)
        assert said(refused) == [f"operation: found {found}, expected the name of an operation (GET /openapi.json)"]
    with pytest.raises(NotFound) as missing:
        operation_of("restrat")
    assert (str(missing.value), missing.value.hint) == ('there is no operation "restrat"', "did you mean restart?")


# --- queries --------------------------------------------------------------------------------------------------------


def test_a_query_says_what_a_body_says() -> None:
    """A repeated name is a list, text spells numbers."""
    assert from_query(OPERATIONS["ps"], asked("workers=web&workers=db&limit=3")) == Ps(["web", "db"], 3)
    assert from_query(OPERATIONS["why"], asked("story=1", worker="web")) == Why("web", story=1)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=1&limit=2", "limit: found it 2 times, expected it once"),
        ("limit=x", 'limit: found "x", expected a whole number from 1 to 10000'),
        ("limit=null", 'limit: found "null", expected a value, or no such name'),
        ("limit=", 'limit: found "", expected a whole number from 1 to 10000'),
        ("limt=1", "limt: found an unknown key, expected a known key (did you mean limit?)"),
        (
            "workers=..%2Fx",
            "workers[0]: found \"../x\", expected 1 to 64 letters, digits, '_' or '-', and '.N' for an instance",
        ),
        (
            "workers=%00",
            "workers[0]: found \"\\u0000\", expected 1 to 64 letters, digits, '_' or '-', and '.N' for an instance",
        ),
        (
            "&".join(["workers=a"] * (LISTED + 1)),
            f"workers: found {LISTED + 1} of them, expected at most {LISTED} (POST /v1/operations takes more)",
        ),
    ],
)
def test_a_wrong_query_is_refused_with_its_name(query: str, problem: str) -> None:
    """As a wrong body is."""
    with pytest.raises(Invalid) as refused:
        from_query(OPERATIONS["ps"], asked(query))
    assert said(refused) == [problem]


def test_what_stands_in_the_path_stands_nowhere_else() -> None:
    """One worker is asked for, and not another."""
    with pytest.raises(Invalid) as refused:
        from_query(OPERATIONS["why"], asked("worker=db", worker="web"))
    assert said(refused) == ["worker: found it again in the query, expected it in the path alone"]


def test_a_browser_that_comes_back_goes_on_where_it_was() -> None:
    """Its header goes before the URL, which is that of the first time; both have to be good."""
    events = OPERATIONS["events"]
    assert from_query(events, asked("after=a-1", {"Last-Event-ID": "a-2"})) == Events(after="a-2")
    for query, header in (("after=a-1", "x" * 65), (f"after={'x' * 65}", "a-2")):
        with pytest.raises(Invalid, match="the cursor of an event"):
            from_query(events, asked(query, {"Last-Event-ID": header}))
    assert from_query(OPERATIONS["ps"], asked("", {"Last-Event-ID": "a-2"})) == Ps()


# --- headers and framing ----------------------------------------------------------------------------------------------


def test_a_jobs_key_is_what_the_client_said_or_refused() -> None:
    """Two keys that are cut to the same length would be one job."""
    assert idempotency_key(asked("")) == ""
    assert idempotency_key(asked("", {"Idempotency-Key": "a" * 128})) == "a" * 128
    for key in ("", "a" * 129, "ä", "a b"):
        with pytest.raises(Invalid, match="1 to 128 visible ASCII characters"):
            idempotency_key(asked("", {"Idempotency-Key": key}))


async def posted(body: bytes, **headers: str) -> bytes:
    """What is read of a body."""
    reader = StreamReader(mock.Mock(), 2**16)
    reader.feed_data(body)
    reader.feed_eof()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return await body_of(make_mocked_request("POST", "/", named, payload=reader), 100)


async def test_a_body_is_json_or_nothing() -> None:
    """In whatever words that is said; a form of some page is refused."""
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert await posted(b"{}", Content_Type=kind) == b"{}"
    assert await posted(b"{}") == b"{}"
    for headers in (
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "application/json; charset=latin-1"},
        {"Content_Encoding": "gzip"},
    ):
        with pytest.raises(web.HTTPUnsupportedMediaType):
            await posted(gzip.compress(b"{}"), **headers)


async def test_a_body_has_an_end() -> None:
    """Whether it says its length or not."""
    assert await posted(b"x" * 100) == b"x" * 100
    with pytest.raises(web.HTTPRequestEntityTooLarge):
        await posted(b"x" * 101)
    with pytest.raises(web.HTTPRequestEntityTooLarge):
        await posted(b"", Content_Length="101")


# --- anything -------------------------------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
operations = st.sampled_from(list(OPERATIONS.values()))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON with the operation's own fields in it, holding anything; or bytes."""
    operation = draw(operations)
    fields = draw(st.dictionaries(st.sampled_from([*operation.request.__struct_fields__, "x"]), plain, max_size=4))
    text = json.dumps({"operation": operation.name, **fields}).encode()
    return draw(st.sampled_from([text, text[:-1], text.replace(b'"', b"'", 1)]) | st.binary(max_size=40))


@given(operations, bodies())
@example(OPERATIONS["info"], b'{"x": 1}')
@example(OPERATIONS["add"], b'{"specs": [{"id": "web\\n", "provider": "process", "run": {}}]}')
@example(OPERATIONS["add"], b'{"specs": [{"id": "web", "provider": "process", "run": {"rlimits": {"nofile": [1]}}}]}')
@example(OPERATIONS["ps"], b'{"after": null, "limit": 10671899.0}')
def test_whatever_the_body_it_is_a_request_or_refused(operation: Any, body: bytes) -> None:
    """No other exception."""
    for read in (lambda: from_body(operation, body), lambda: job_from_body(body)):
        try:
            read()
        except (Invalid, NotFound) as refused:
            json.dumps(str(refused)).encode()


@given(
    operations,
    st.lists(
        st.tuples(st.sampled_from(["workers", "limit", "after", "id", "follow", "x", "\udcff"]), st.text(max_size=9))
    ),
    st.dictionaries(
        st.sampled_from(["Last-Event-ID", "Idempotency-Key"]),
        st.text(st.characters(exclude_characters="\r\n"), max_size=70),
    ),
    st.text(max_size=9),
)
@example(OPERATIONS["logs"], [("stream", "null")], {}, "")
@example(OPERATIONS["why"], [("story", "1.5")], {"Last-Event-ID": "\udcff"}, "\udcff")
def test_whatever_the_query_it_is_a_request_or_refused(
    operation: Any, query: list[tuple[str, str]], headers: dict[str, str], word: str
) -> None:
    """No other exception, whatever the bytes of the request line and of its headers were."""
    request = mock.Mock(spec=web.Request)
    request.query = MultiDict(query)
    request.headers = CIMultiDict(headers)
    request.match_info = {
        name: word for name in operation.request.__struct_fields__ if f"{{{name}}}" in operation.route
    }
    for read in (lambda: from_query(operation, request), lambda: idempotency_key(request)):
        try:
            read()
        except Invalid as refused:
            json.dumps(str(refused)).encode()
