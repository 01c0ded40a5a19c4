"""Who gets in, over real TCP: every operation for every kind of token, every route for a stranger, browsers, users."""

import contextlib
import itertools
import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beeyard.application.operations import OPERATIONS
from beeyard.domain.access import ROLES, Grant, Role, refusal
from beeyard.domain.plain import read
from beeyard.entrypoints.http.identity import OPEN
from beeyard.entrypoints.http.listening import face
from tests.end_to_end.calls import Answer, Caller, url_of
from tests.end_to_end.shelf import Shelf
from tests.end_to_end.workers import shell
from tests.fakes.world import World
from tests.yard import Yard, yard

JOB = "job-00000000-0000-7000-8000-000000000000"
SCOPED = "mine"
"""The group that tokens are limited to; there are no workers, so that nothing asked of them does harm."""
SPEC = {"provider": "process", "run": {"executable_path": "/bin/true"}, "enabled": False}

HARMLESS: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("ps", "info", "events", "job_list", "token_list", "token_link")},
    **{name: {} for name in ("audit_log", "audit_verify", "audit_export")},
    **{name: {"workers": ["NAME"]} for name in ("start", "stop", "restart", "swap", "remove")},
    **{name: {"workers": ["NAME"]} for name in ("logs", "endpoint_list")},
    **{name: {"worker": "NAME"} for name in ("show", "why", "probe", "endpoint_get")},
    **{name: {"id": JOB} for name in ("job_get", "job_events", "job_cancel")},
    **{name: {} for name in ("package_list", "package_search", "package_history", "package_verify", "package_repair")},
    **{name: {"package": "nothing"} for name in ("package_show", "package_why")},
    **{name: {"packages": ["nothing"]} for name in ("package_install", "package_uninstall")},
    **{name: {"worker": "NAME"} for name in ("rollout_pause", "rollout_resume", "rollout_abort")},
    "rollout_status": {"workers": ["NAME"]},
    "package_update": {"packages": ["nothing"]},
    "package_rollback": {"name": "nothing"},
    **{name: {"package": "nothing"} for name in ("package_hold", "package_unhold")},
    "register": {},
    "report": {"text": "READY=1"},
    "package_gc": {"dry_run": True},
    "package_lock": {"runs": [], "packages": {}},
    "add": {"specs": [{"id": "NAME", "depends_on": {"nobody": "ready"}, **SPEC}]},
    "apply": {"specs": [{"id": "NAME", **SPEC}], "origin": "test", "dry_run": True},
    "orphan_list": {},
    "orphan_remove": {"all": True, "dry_run": True},
    "token_create": {"name": "made", "workers": ["NAME"]},
    "token_revoke": {"token": "nobody"},
}
"""What can be asked of each operation without changing anything that matters."""
VIEWER = Grant()
GRANTS = [
    Grant(role, install, scope) for role, install, scope in itertools.product(ROLES, (False, True), ((), (SCOPED,)))
]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """One Beeyard without workers for all tests that change nothing."""
    with yard(tmp_path_factory.mktemp("access") / "s") as made:
        yield made


@pytest.fixture
def packaged(tmp_path: Path) -> Iterator[Yard]:
    """One with a repository, and a package of it that is installed and damaged."""
    shelf = Shelf(tmp_path / "shelf").put("hello", "1.0").put("other", "1.0")
    with yard(tmp_path / "s") as made:
        made.ask("apply", specs=[], origin="test", master={"packages": {"repositories": [shelf.spec()]}})
        (view,) = made.ask("package_install", packages=["hello"])["packages"]
        program = Path(view["path"], "serve")
        program.chmod(0o755)
        program.write_text("")
        made.ask("package_verify")
        yield made


@pytest.fixture(scope="module")
def caller(here: Yard) -> Caller:
    """On its address."""
    return Caller(url_of(here))


def token(of: Yard, name: str, grant: Grant = VIEWER) -> str:
    """A new one."""
    fields = {"role": grant.role, "install": grant.install, "workers": list(grant.workers)}
    return str(of.ask("token_create", name=name, **fields)["token"])


@pytest.fixture(scope="module")
def tokens(here: Yard) -> dict[Grant, str]:
    """One for each kind of grant."""
    return {grant: token(here, f"t{number}", grant) for number, grant in enumerate(GRANTS)}


def from_elsewhere(here: Yard, number: int) -> Caller:
    """One that nobody has failed from before."""
    return Caller(url_of(here), source=f"127.1.{number // 250}.{number % 250 + 1}")


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_every_operation_has_a_role_and_is_tried() -> None:
    """A new one needs a line in HARMLESS."""
    assert set(HARMLESS) | {"down"} == set(OPERATIONS)
    more = {name: operation.role for name, operation in OPERATIONS.items() if operation.role != "viewer"}
    assert more == {
        **dict.fromkeys(("start", "stop", "restart", "swap", "probe", "add", "remove", "apply"), "operator"),
        **dict.fromkeys(("package_install", "package_uninstall", "package_verify", "package_repair"), "operator"),
        **dict.fromkeys(("package_gc", "package_history", "package_lock"), "operator"),
        **dict.fromkeys(("package_update", "package_rollback", "package_hold", "package_unhold"), "operator"),
        **dict.fromkeys(("rollout_pause", "rollout_resume", "rollout_abort"), "operator"),
        **dict.fromkeys(("down", "token_create", "token_list", "token_link", "token_revoke"), "admin"),
        **dict.fromkeys(("audit_log", "audit_verify", "audit_export", "orphan_list", "orphan_remove"), "admin"),
    }
    packages = {"package_install", "package_uninstall", "package_repair", "package_gc", "package_lock"}
    packages |= {"package_update", "package_rollback", "package_hold", "package_unhold"}
    assert {name for name, one in OPERATIONS.items() if one.install} == {"add", "remove", "apply", *packages}


@pytest.mark.parametrize("name", [SCOPED, f"{SCOPED}.2", "theirs"])
@pytest.mark.parametrize("operation", HARMLESS)
def test_a_token_may_what_its_grant_says_and_nothing_else(
    caller: Caller, tokens: dict[Grant, str], operation: str, name: str
) -> None:
    """Each role, with and without the right to install, for all workers and for a group."""
    fields = json.loads(json.dumps(HARMLESS[operation]).replace("NAME", name))
    need = OPERATIONS[operation].need(read(fields, OPERATIONS[operation].request))
    wanted = {grant: bool(refusal(grant, need)) for grant in GRANTS}
    answers = {grant: caller.operate(operation, tokens[grant], **fields) for grant in GRANTS}
    assert {grant: answer.status == 403 for grant, answer in answers.items()} == wanted
    assert all(answer.status not in (401, 429) and answer.status < 500 for answer in answers.values())
    assert {answer.code for answer in answers.values() if answer.status == 403} <= {"not_allowed"}


def test_going_down_takes_an_admin_of_all(fresh_yard: Yard) -> None:
    """For nobody else it is down for long."""
    caller = Caller(url_of(fresh_yard))
    allowed = [grant for grant in GRANTS if not refusal(grant, OPERATIONS["down"].need(OPERATIONS["down"].request()))]
    assert allowed == [Grant("admin"), Grant("admin", install=True)]
    refused = [grant for grant in GRANTS if grant not in allowed]
    statuses = [caller.operate("down", token(fresh_yard, f"t{i}", grant)).status for i, grant in enumerate(refused)]
    assert statuses == [403] * len(refused)
    assert caller.operate("down", token(fresh_yard, "admin", allowed[0])).status == 200


@pytest.mark.parametrize("role", ROLES)
def test_packages_come_and_go_only_by_who_may_install(packaged: Yard, role: Role) -> None:
    """Whatever the role: without that right nothing changes; with it, and a role that may change anything, all does."""
    caller = Caller(url_of(packaged))
    without, having = token(packaged, "without", Grant(role)), token(packaged, "having", Grant(role, install=True))
    changes: list[tuple[str, dict[str, Any]]] = [
        ("package_repair", {"packages": ["hello"]}),
        ("package_uninstall", {"packages": ["hello"]}),
        ("package_install", {"packages": ["other"]}),
        ("package_gc", {"keep": 1}),
    ]
    before = packaged.ask("package_list")
    assert [caller.operate(name, without, **fields).code for name, fields in changes] == ["not_allowed"] * 4
    assert packaged.ask("package_list") == before
    assert [view["state"] for view in before] == ["corrupted"]
    answers = [caller.operate(name, having, **fields) for name, fields in changes]
    assert [answer.status for answer in answers] == [403 if role == "viewer" else 200] * 4
    after = [(view["name"], view["state"]) for view in packaged.ask("package_list")]
    assert after == ([("hello", "corrupted")] if role == "viewer" else [("other", "installed")])


def test_nobody_makes_a_token_for_more_than_they_have(caller: Caller, tokens: dict[Grant, str]) -> None:
    """Neither by a token nor by a link; nor by naming workers that are not theirs."""
    admin, scoped = tokens[Grant("admin")], tokens[Grant("admin", workers=(SCOPED,))]
    statuses = [
        caller.operate("token_create", admin, name="more", install=True).status,
        caller.operate("token_link", admin, role="admin", install=True).status,
        caller.operate("token_create", scoped, name="more").status,
        caller.operate("token_create", scoped, name="more", workers=["theirs"]).status,
    ]
    assert statuses == [403] * 4


def test_a_viewer_of_a_group_sees_no_other_worker(fresh_yard: Yard) -> None:
    """Neither in lists nor by name."""
    fresh_yard.apply(shell("mine", "exec sleep 1000"), shell("theirs", "exec sleep 1000"))
    fresh_yard.running()
    caller, viewer = Caller(url_of(fresh_yard)), token(fresh_yard, "viewer", Grant(workers=("mine",)))
    assert [worker["id"] for worker in caller.ask("GET", "/v1/workers", viewer).body] == ["mine"]
    assert caller.ask("GET", "/v1/workers/theirs", viewer).status == 403


# --- strangers --------------------------------------------------------------------------------------------------------


async def routes() -> list[tuple[str, str]]:
    """Method and path of all that is served over TCP."""
    app = face(World().master())
    return [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical not in OPEN
    ]


async def test_a_stranger_is_nobody_on_every_route(here: Yard) -> None:
    """No token, a wrong one, one with a wrong secret, one that expired, one that was taken back, a used link."""
    good = token(here, "good")
    short = here.ask("token_create", name="short", lasts=0.001)["token"]
    gone = token(here, "gone", Grant("admin", install=True))
    here.ask("token_revoke", token="gone")
    link = here.ask("token_link")["url"].partition("#")[2]
    wrong = f"{good[:-1]}{'A' if good[-1] != 'A' else 'B'}"
    bad = {"": "token_missing", "x": "token_unknown", wrong: "token_unknown", gone: "token_unknown",
           link: "token_unknown", short: "token_expired"}  # fmt: skip
    found = await routes()
    assert len(found) > 20
    seen: dict[tuple[str, str, str], int] = {}
    for number, (method, path) in enumerate(found):
        elsewhere = from_elsewhere(here, number)
        for text, code in bad.items():
            answer = elsewhere.ask(method, path.replace("{id}", JOB).replace("{", "").replace("}", ""), text)
            seen[method, path, text] = answer.status
            if method != "HEAD":
                assert answer.code in {code, "token_unknown"}  # One that expired is forgotten.
    assert set(seen.values()) == {401}


@pytest.mark.parametrize("path", ["/v1/nothing", "/static/../v1/workers", "/static/%2e%2e/v1/workers", "//v1/workers"])
def test_an_odd_path_leads_nowhere(here: Yard, path: str) -> None:
    """What is open is decided by the route, not by how a path begins."""
    answer = Caller(url_of(here), source="127.2.0.1").ask("GET", path)
    assert (answer.status, answer.code) == (401, "token_missing")


def test_what_is_open_tells_nothing_and_ends_the_connection(caller: Caller) -> None:
    """For monitors and browsers; nobody keeps a place who has not said who they are."""
    opened = [caller.ask("GET", path) for path in ("/healthz", "/", "/login", "/static/page.js", "/static/page.css")]
    assert [answer.status for answer in opened] == [200] * 5
    assert {answer.headers["Connection"] for answer in opened} == {"close"}
    assert opened[0].body == {"status": "ok"}


def test_answers_over_tcp_say_how_browsers_may_use_them(caller: Caller, tokens: dict[Grant, str]) -> None:
    """No other origin gets anything, and nothing says what serves here."""
    for answer in (
        caller.ask("GET", "/v1/info", tokens[VIEWER]),
        caller.ask("GET", "/v1/info"),
        caller.ask("GET", "/"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert not {name for name in answer.headers if name.startswith("Access-Control") or name == "Server"}
    assert caller.ask("GET", "/v1/info", tokens[VIEWER]).headers["Cache-Control"] == "no-store"


def test_a_name_of_somebody_elses_is_not_served(here: Yard, tokens: dict[Grant, str]) -> None:
    """With a token as well: a page that rebinds its name has no other way to be of our origin."""
    caller = Caller(url_of(here), source="127.3.0.1")
    for path in ("/v1/workers", "/", "/healthz"):
        answer = caller.ask("GET", path, tokens[VIEWER], headers={"Host": "evil.example"})
        assert (answer.status, answer.code) == (403, "host_unknown")
    for host in ("localhost:1", socket.gethostname(), "127.0.0.1"):
        assert caller.ask("GET", "/v1/workers", tokens[VIEWER], headers={"Host": host}).status == 200


def test_a_stranger_who_fails_on_and_on_has_to_wait_but_no_token_has(fresh_yard: Yard) -> None:
    """On the same address; what is open stays so. What is not answered is not written down either."""
    caller, viewer = Caller(url_of(fresh_yard)), token(fresh_yard, "viewer")
    answers = [caller.ask("GET", "/v1/workers", f"wrong{number}") for number in range(12)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert caller.ask("GET", "/v1/workers").status == 429
    assert caller.ask("POST", "/v1/login", body={"token": "x"}).status == 429
    assert caller.ask("GET", "/v1/workers", viewer).status == 200
    assert caller.ask("GET", "/healthz").status == 200
    assert Caller(url_of(fresh_yard), source="127.4.0.2").ask("GET", "/v1/workers").status == 401
    records = [entry["record"] for entry in fresh_yard.ask("audit_log")]
    assert [record["origin"] for record in records if record["what"] == "denied"] == ["127.4.0.2"] + ["127.0.0.1"] * 10


def test_a_stranger_sends_no_more_than_a_login_takes(here: Yard) -> None:
    """Sixty million bytes are announced; the answer comes after the first of them."""
    with Caller(url_of(here), source="127.5.0.1").open().sock as sock:
        sock.sendall(b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n" + b"x" * 5000)
        assert sock.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_the_socket_answers_however_many_strangers_stand_at_the_door(here: Yard, tokens: dict[Grant, str]) -> None:
    """A thousand who say nothing: most of them have to leave, and whoever has a token comes in, or was in before."""
    inside = Caller(url_of(here), source="127.6.0.1").open()
    bearer = {"Authorization": f"Bearer {tokens[VIEWER]}"}
    inside.request("GET", "/v1/workers", headers=bearer)
    inside.getresponse().read()
    strangers = [Caller(url_of(here), source="127.6.0.1").open() for _ in range(1000)]
    try:
        assert here.answers()
        line = inside.sock
        inside.request("GET", "/v1/workers", headers=bearer)
        assert inside.getresponse().status == 200
        assert inside.sock is line
        assert Caller(url_of(here)).ask("GET", "/healthz").status == 200
        held = len(os.listdir(f"/proc/{here.pid('master')}/fd"))
        assert held < 400
    finally:
        for connection in (inside, *strangers):
            connection.close()


# --- browsers ---------------------------------------------------------------------------------------------------------


def log_in(caller: Caller, link: str, headers: dict[str, str] | None = None) -> Answer:
    """What the page does with a link."""
    return caller.ask("POST", "/v1/login", body={"token": link.partition("#")[2]}, headers=headers)


def test_a_link_logs_in_once(here: Yard) -> None:
    """The cookie that it gives is for this page alone, and good until somebody logs out."""
    caller = Caller(url_of(here), source="127.7.0.1")
    link = here.ask("token_link", role="operator")["url"]
    assert link.startswith(f"{url_of(here)}/login#bee_")
    answer = log_in(caller, link)
    assert answer.body["grant"] == {"role": "operator"}
    cookie, *marks = answer.headers["Set-Cookie"].split("; ")
    assert sorted(mark.partition("=")[0] for mark in marks) == ["HttpOnly", "Max-Age", "Path", "SameSite"]
    assert {"Path=/", "SameSite=Strict"} <= set(marks)
    again = log_in(caller, link)
    assert (again.status, again.code) == (401, "token_unknown")

    page = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    assert caller.ask("GET", "/v1/session", headers=page).body["grant"] == {"role": "operator"}
    assert caller.ask("GET", "/v1/workers", headers=page).body == []
    other = log_in(caller, here.ask("token_link")["url"]).headers["Set-Cookie"].partition("; ")[0]
    assert caller.ask("POST", "/v1/logout", headers=page).status == 200
    assert caller.ask("GET", "/v1/workers", headers=page).status == 401
    assert caller.ask("GET", "/v1/workers", headers={"Cookie": other}).status == 200
    logins = [entry["record"]["what"] for entry in here.ask("audit_log", limit=1000)]
    assert {"login", "logout"} <= set(logins)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_foreign_page_can_not_use_a_session(here: Yard, headers: dict[str, str]) -> None:
    """Not even one of another port of this host, to which the browser gives the cookie too."""
    caller = Caller(url_of(here), source=f"127.8.0.{len(str(headers))}")
    cookie = log_in(caller, here.ask("token_link")["url"]).headers["Set-Cookie"].partition("; ")[0]
    for path in ("/v1/operations/token_create", "/v1/logout", "/v1/jobs"):
        answer = caller.ask("POST", path, body={"name": "evil"}, headers={"Cookie": cookie, **headers})
        assert (answer.status, answer.code) == (403, "foreign_page")
    assert caller.ask("GET", "/v1/session", headers={"Cookie": cookie}).status == 200


def test_a_token_is_no_session_and_a_session_no_token(here: Yard, tokens: dict[Grant, str]) -> None:
    """Each is good in its place alone."""
    caller = Caller(url_of(here), source="127.9.0.1")
    cookie = log_in(caller, here.ask("token_link")["url"]).headers["Set-Cookie"].partition("; ")[0]
    name, _, session = cookie.partition("=")
    assert caller.ask("GET", "/v1/workers", session).status == 401
    page = {"Cookie": f"{name}={tokens[VIEWER]}"}
    assert caller.ask("GET", "/v1/workers", headers=page).status == 401
    answer = caller.ask("POST", "/v1/logout", tokens[VIEWER])
    assert (answer.status, answer.code) == (409, "no_session")


def test_whoever_takes_a_token_back_ends_its_sessions(here: Yard) -> None:
    """Those that were opened by links of that token."""
    caller = Caller(url_of(here), source="127.10.0.1")
    admin = token(here, "lost", Grant("admin"))
    link = caller.operate("token_link", admin).body["url"]
    cookie = log_in(caller, link).headers["Set-Cookie"].partition("; ")[0]
    other = log_in(caller, here.ask("token_link")["url"]).headers["Set-Cookie"].partition("; ")[0]
    assert caller.ask("GET", "/v1/session", headers={"Cookie": cookie}).body["name"] == "token lost"
    here.ask("token_revoke", token="lost")
    assert caller.ask("GET", "/v1/session", headers={"Cookie": cookie}).status == 401
    assert caller.ask("GET", "/v1/session", headers={"Cookie": other}).status == 200


# --- users of this host -----------------------------------------------------------------------------------------------

KNOCK = """
import os, socket, sys
os.setgid(65534), os.setuid(65534)
with socket.socket(socket.AF_UNIX) as sock:
    try:
        sock.connect(sys.argv[1])
    except PermissionError:
        sys.exit("no way in")
    sock.sendall(b"POST /v1/operations/ps HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    print(sock.recv(1000).split(b"\\r\\n")[0].decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_can_not_use_the_socket(fresh_yard: Yard) -> None:
    """The folder keeps them out; and where somebody opened that, the kernel says who they are."""

    def knock() -> str:
        command = [sys.executable, "-c", KNOCK, fresh_yard.paths.master_socket]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    assert knock() == "no way in"
    path = Path(fresh_yard.paths.master_socket)
    path.chmod(0o666)
    opened = [folder for folder in path.parents if not folder.stat().st_mode & 0o001]
    for folder in opened:
        folder.chmod(folder.stat().st_mode | 0o001)
    assert knock() == "HTTP/1.1 403 Forbidden"


LOGIN = """
import socket, sys
try:
    with open("/proc/self/loginuid", "w") as file:
        file.write("65534")
except OSError:
    sys.exit(77)
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    head = "POST /v1/operations/token_link HTTP/1.1", "Host: x", "Content-Length: 2", "Connection: close"
    sock.sendall("\\r\\n".join([*head, "Beeyard-Operator: ann", "", "{}"]).encode())
    while sock.recv(4096):
        pass
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can say who logged in")
def test_behind_sudo_the_kernel_knows_who_logged_in(fresh_yard: Yard) -> None:
    """What a header says beside that stays a claim."""
    done = subprocess.run([sys.executable, "-c", LOGIN, fresh_yard.paths.master_socket], check=False)
    if done.returncode == 77:
        pytest.skip("this kernel keeps no logins, or this session has one already")
    record = fresh_yard.ask("audit_log")[0]["record"]
    assert (record["who"], record["operator"]) == ("root", f"{pwd.getpwuid(65534).pw_name}, ann (claimed)")


def test_the_journal_knows_who_is_behind_the_socket(here: Yard) -> None:
    """The account from the kernel, the person as it is claimed, and the program."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(here.paths.master_socket)
        sock.sendall(
            b"POST /v1/operations/token_link HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"
            b"Beeyard-Operator: %C3%A4nn%0Aann\r\nBeeyard-Reason: r\xc3\xb6ad works\r\n\r\n{}"
        )
        while sock.recv(4096):
            pass
    record = next(e["record"] for e in here.ask("audit_log") if e["record"].get("reason", "").endswith("ad works"))
    assert record["operator"].endswith("ännann (claimed)")
    assert record["reason"] == "röad works"
    assert record["origin"].startswith(f"socket, pid {os.getpid()}, ")


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_ends_when_its_token_is_taken_back(here: Yard, caller: Caller) -> None:
    """Before anything more is told; whoever follows is a stranger when it comes back."""
    here.ask("add", specs=[{"id": "told", **SPEC}])
    follower = token(here, "follower")
    with contextlib.closing(caller.open()) as connection:
        connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {follower}"})
        stream = connection.getresponse()
        assert stream.status == 200
        here.ask("start", workers=["told"])
        while b"told" not in stream.readline():
            pass
        here.ask("token_revoke", token="follower")
        here.ask("add", specs=[{"id": "later", **SPEC}])
        assert b"later" not in stream.read()
    assert caller.ask("GET", "/v1/events", follower).status == 401
    here.ask("remove", workers=["told", "later"], stop=True)
