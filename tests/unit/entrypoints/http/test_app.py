"""The API over a real connection, its workers in memory: statuses, headers, pages."""

import http.client
import json
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any, NamedTuple

import pytest

from beeyard.domain.access import Grant
from tests.served import Served, served

JSON = {"Content-Type": "application/json"}
RUN = {"executable_path": "/usr/bin/sleep", "args": ["60"]}


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@pytest.fixture(scope="module")
def master() -> Iterator[Served]:
    """One for all tests of this module; at the end it has complained of nothing."""
    with served(endless=False, failures=10**6) as one:
        yield one
        assert one.log == []


@pytest.fixture(scope="module")
def token(master: Served) -> str:
    """Of somebody who may do everything."""
    return master.token()


Ask = Callable[..., Reply]


@pytest.fixture
def ask(master: Served, token: str) -> Ask:
    """One request, by default with the token."""

    def ask(method: str, path: str, body: Any = None, token: str | None = token, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", master.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    return ask


def add(ask: Ask, *names: str) -> Reply:
    """Workers that sleep."""
    return ask("POST", "/v1/operations/add", {"specs": [{"id": n, "provider": "process", "run": RUN} for n in names]})


# --- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "http_404"),
        ("GET", "/v1/workers/", 404, "http_404"),
        ("GET", "//v1/workers", 404, "http_404"),
        ("GET", "/v1/workers/%00", 400, "request_invalid"),
        ("GET", "/v1/workers/%FF", 400, "request_invalid"),
        ("GET", "/v1/workers/..%2F..%2Fetc", 400, "request_invalid"),
        ("GET", "/v1/workers/nobody", 404, "no_such_worker"),
        ("GET", "/v1/workers?limit=0", 400, "request_invalid"),
        ("GET", "/v1/workers?" + "x" * 9000, 431, "http_431"),
        ("POST", "/v1/workers", 405, "http_405"),
        ("OPTIONS", "/v1/workers", 405, "http_405"),
        ("TRACE", "/healthz", 401, "token_missing"),
        ("HEAD", "/v1/events", 405, None),
        ("POST", "/v1/operations/restrat", 404, "no_such_operation"),
        ("GET", "/v1/jobs/job-0", 400, "request_invalid"),
        ("DELETE", "/v1/jobs/job-01890a5d-ac96-774b-bcce-b302099a8057", 404, "no_such_job"),
        ("DELETE", "/v1/tokens/nobody", 404, "no_such_token"),
    ],
)
def test_what_cannot_be_is_a_problem_with_its_status(
    ask: Ask, method: str, path: str, status: int, code: str | None
) -> None:
    """Never a page, never a bug; who sees `Allow` knows what there is."""
    reply = ask(method, path, token=None) if status == 401 else ask(method, path)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert ("Allow" in reply.headers) == (status == 405)
    if code is not None:
        assert (reply.json["code"], reply.json["status"]) == (code, status)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Encoding": "gzip"}, 415),
        (b"{", {}, 400),
        (b"[" * 200_000, {}, 400),
        (b'{"after": "\\ud800"}', {}, 400),
        (b'{"after": "\\u0000"}', {}, 400),
        (b'{"limit": 1, "limit": 1}', {}, 400),
        (b"", {"Content_Length": "67108865"}, 413),
        (b"{}", {"Expect": "tea"}, 417),
        (b"{}", {"Idempotency_Key": "ä"}, 200),
        (b"{}", {"If_None_Match": 'W/"', "Accept": "\xff", "Cookie": '="";=;,\xe4="\\'}, 200),
        (b"{}", {"Beeyard_Reason": "%FF%00\xff", "Beeyard_Operator": "%0d%0a"}, 200),
    ],
)
def test_a_body_or_a_header_gone_wrong_is_a_problem(
    ask: Ask, body: bytes, headers: dict[str, str], status: int
) -> None:
    """And what nobody needs to look at hurts nobody."""
    reply = ask("POST", "/v1/operations/ps", body, **headers)
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == f"application/{'' if status == 200 else 'problem+'}json"
    assert len(reply.body) == int(reply.headers["Content-Length"])


def test_a_worker_that_is_not_there_is_told_with_the_nearest(ask: Ask) -> None:
    """On the plain route as everywhere."""
    add(ask, "kingfisher")
    reply = ask("GET", "/v1/workers/kingfischer")
    assert (reply.status, reply.json["hint"]) == (404, "did you mean kingfisher?")


def test_a_key_that_cannot_be_one_begins_no_job(ask: Ask) -> None:
    """And one that can begins one job, however often it comes."""
    add(ask, "keyed")
    job = {"operation": "restart", "workers": ["keyed"]}
    assert ask("POST", "/v1/jobs", job, Idempotency_Key="\xe4").status == 400
    first, again = (ask("POST", "/v1/jobs", job, Idempotency_Key="k" * 128) for _ in range(2))
    assert (first.status, first.headers["Location"]) == (202, f"/v1/jobs/{first.json['job_id']}")
    assert first.json["job_id"] == again.json["job_id"]


def test_a_body_of_a_stranger_is_not_read(ask: Ask) -> None:
    """Whatever is wrong with it, what is told is that nobody knows who asks."""
    for body in (b"[" * 200_000, b"{"):
        reply = ask("POST", "/v1/operations/ps", body, token=None, Content_Type="text/plain")
        assert (reply.status, reply.json["code"]) == (401, "token_missing")


def test_only_who_may_install_may_send_much(ask: Ask, master: Served) -> None:
    """A worker file of many workers is long; nothing else is."""
    viewer = master.token(Grant("viewer"), "viewer")
    big = b'{"workers": ["' + b"x" * (1024 * 1024) + b'"]}'
    assert ask("POST", "/v1/operations/ps", big, token=viewer).status == 413
    assert ask("POST", "/v1/operations/ps", big).status == 400


# --- workers from the network -----------------------------------------------------------------------------------------


def test_a_worker_is_added_by_as_little_as_a_person_would_write(ask: Ask) -> None:
    """All else has a default."""
    reply = add(ask, "little")
    assert reply.status == 200
    assert [(view["id"], view["state"]) for view in reply.json] == [("little", "running")]
    assert ask("GET", "/v1/workers/little").json[0]["spec"] == {"id": "little", "provider": "process", "run": RUN}


def test_a_spec_gone_wrong_adds_nothing_and_names_everything(ask: Ask, master: Served) -> None:
    """An id that would be a folder elsewhere above all."""
    spec = {
        "id": "../x",
        "provider": "process",
        "run": RUN | {"arg": []},
        "restart": {"backof": {}},
        "logs": {"max_files": -1},
    }
    reply = ask("POST", "/v1/operations/add", {"specs": [spec]})
    assert reply.status == 400
    assert [problem["path"] for problem in reply.json["problems"]] == [
        "specs[0].restart.backof",
        "specs[0].id",
        "specs[0].logs.max_files",
    ]
    assert not [name for name in master.master.supervisors if "x" in name]


def test_the_same_worker_twice_in_one_request_is_refused(ask: Ask, master: Served) -> None:
    """In a list to be added and in one to be applied, rehearsed or not."""
    assert add(ask, "twin", "twin").json["code"] == "worker_twice"
    specs = [{"id": "twin", "provider": "process", "run": RUN}] * 2
    for dry in (True, False):
        reply = ask("POST", "/v1/operations/apply", {"specs": specs, "origin": "/f", "dry_run": dry})
        assert (reply.status, reply.json["code"]) == (400, "worker_twice")
    assert "twin" not in master.master.supervisors


def test_an_address_that_cannot_be_one_changes_nothing(ask: Ask, master: Served) -> None:
    """The master would try to listen there for ever."""
    wished = {"specs": [], "origin": "/f", "master": {"listen": {"address": "here"}}}
    reply = ask("POST", "/v1/operations/apply", wished)
    assert (reply.status, reply.json["code"]) == (400, "listen_invalid")
    assert master.master.listening.wish.address != "here"


# --- lists ----------------------------------------------------------------------------------------------------------


def test_an_unchanged_list_is_not_sent_again(ask: Ask) -> None:
    """Until something changes."""
    add(ask, "tagged")
    first = ask("GET", "/v1/workers")
    again = ask("GET", "/v1/workers", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert "Authorization" in again.headers["Vary"]
    ask("POST", "/v1/operations/restart", {"workers": ["tagged"]})
    assert ask("GET", "/v1/workers", If_None_Match=first.headers["ETag"]).status == 200
    assert ask("HEAD", "/v1/workers").body == b""


def test_a_tag_is_no_way_past_a_grant(ask: Ask, master: Served) -> None:
    """Who may not see a worker is not told that it is as it was."""
    add(ask, "mine", "yours")
    scoped = master.token(Grant("viewer", workers=("mine",)), "scoped")
    tag = ask("GET", "/v1/workers").headers["ETag"]
    assert ask("GET", "/v1/workers?workers=yours", token=scoped, If_None_Match=tag).status == 403
    assert ask("GET", "/v1/workers?workers=mine", token=scoped, If_None_Match=tag).status == 304


def test_pages_lead_through_the_whole_list_while_it_changes(ask: Ask) -> None:
    """Each worker that is there all the while is met once, though the last one seen is removed."""
    steady = [f"page.{number}" for number in range(1, 8)]
    add(ask, *steady, "page.90", "page.91")
    seen: list[str] = []
    path: str | None = "/v1/workers?workers=page&limit=2"
    while path is not None:
        reply = ask("GET", path)
        seen += [view["id"] for view in reply.json]
        link = reply.headers["Link"]
        path = link[1 : link.index(">")] if link else None
        assert link is None or link.endswith('>; rel="next"')
        if len(seen) == 2:
            ask("POST", "/v1/operations/remove", {"workers": [seen[-1]], "stop": True})
            steady.remove(seen[-1])
            add(ask, "page.10")
    assert len(seen) == len(set(seen))
    assert set(steady) <= set(seen)


def test_every_list_with_pages_names_the_next(ask: Ask) -> None:
    """Jobs and the journal too, newest first; the last page names none."""
    add(ask, "a-job", "b-job")
    for path, key in (("/v1/jobs", "id"), ("/v1/audit", "seq")):
        first = ask("GET", f"{path}?limit=1")
        link = first.headers["Link"]
        assert link == f'<{path}?limit=1&after={first.json[-1][key]}>; rel="next"'
        second = ask("GET", link[1 : link.index(">")])
        assert str(second.json[0][key]) < str(first.json[0][key])
        assert ask("GET", f"{path}?limit=10000").headers["Link"] is None


# --- for everybody --------------------------------------------------------------------------------------------------


def test_a_stranger_gets_the_description_and_nothing_else(ask: Ask) -> None:
    """Once: it is the same as long as the version is."""
    reply = ask("GET", "/openapi.json", token=None)
    assert (reply.status, reply.json["openapi"]) == (200, "3.1.0")
    again = ask("GET", "/openapi.json", token=None, If_None_Match=reply.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert ask("GET", "/healthz", token=None).json == {"status": "ok"}
    for path in reply.json["paths"]:
        if path not in ("/openapi.json", "/healthz"):
            assert ask("GET", path.replace("{", "").replace("}", ""), token=None).status == 401
