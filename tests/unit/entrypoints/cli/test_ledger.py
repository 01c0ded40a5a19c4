"""Jobs, tokens, the journal and events on the command line: what is printed where, and what the exit code says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.journal.chain import encode, seal
from beeyard.application.operations.token_create import TokenCreated
from beeyard.application.operations.token_link import LoginLink
from beeyard.application.operations.token_list import TokenView
from beeyard.application.views import Event, JobView, WorkerEvent, WorkerView
from beeyard.domain.access import Grant
from beeyard.entrypoints.cli import records
from beeyard.launcher.paths import Paths
from beeyard.ports.journal import START, Entry, Head, Record, Verdict
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.conftest import SocketMaster

NOON = 1_800_000_000.0
ID = "job-01a1fd59-e277-7214-9509-210e52e329d2"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments are printed in the local zone."""
    monkeypatch.setenv("TZ", "UTC")
    import time

    time.tzset()


def a_job(**changes: Any) -> JobView:
    """One that is done, but for what is said otherwise."""
    given: dict[str, Any] = {
        "id": ID, "operation": "start", "state": "done", "by": "root (ann)", "at": NOON, "ended": NOON + 2.0,
        "workers": ["web"], "reason": "new release", "error": None, "result": ["x"],
    }  # fmt: skip
    return JobView(**(given | changes))


def test_a_token_stands_alone_on_standard_output(run: Run, master: SocketMaster) -> None:
    """So that TOKEN=$(beeyard token create ci) holds it and nothing else."""
    made = TokenCreated("a1", "ci", "bee_a1_secret", Grant("operator", install=True, workers=("web",)), NOON)
    master.answers["token_create"] = (200, made)
    arguments = ["--role", "operator", "--install", "-w", "web", "-w", "db", "--lasts", "1d", "--reason", "for CI"]
    assert run("token", "create", "ci", *arguments) == (
        0,
        "bee_a1_secret\n",
        "ci: operator, install; web only; for 1d. It is not shown again.\n",
    )
    asked = {"name": "ci", "role": "operator", "install": True, "workers": ["web", "db"], "neighbour": False}
    assert master.asked == [("token_create", {**asked, "lasts": 86400.0})]
    assert master.heard[-1]["beeyard-reason"] == "for%20CI"


def test_tokens_are_a_table(run: Run, master: SocketMaster) -> None:
    """With what each may do, and for how long."""
    view = TokenView("a1", "ci", "token", Grant("viewer"), NOON, "root", NOON + 3600.0, None)
    assert records.tokens([view], now=NOON) == (
        "ID  NAME  KIND   MAY     EXPIRES  USED   MADE BY\na1  ci    token  viewer  in 1h    never  root"
    )
    master.answers["token_list"] = (200, [])
    assert run("token", "list")[1] == ""


def test_a_link_stands_alone_as_well(run: Run, master: SocketMaster) -> None:
    """To be opened by a script."""
    master.answers["token_link"] = (200, LoginLink("http://h/login#x", NOON))
    code, out, _ = run("token", "link")
    assert (code, out, master.asked) == (0, "http://h/login#x\n", [("token_link", {"role": None, "install": False})])


def test_a_revoked_token_is_named(run: Run, master: SocketMaster) -> None:
    """By its id."""
    master.answers["token_revoke"] = (200, "a1")
    assert run("token", "revoke", "ci") == (0, "revoked a1\n", "")
    assert master.asked == [("token_revoke", {"token": "ci"})]


def test_jobs_are_a_table(run: Run, master: SocketMaster) -> None:
    """What, how it went, by whom, about what and why."""
    failed = a_job(state="failed", operation="job_cancel", error={"detail": "no"}, reason="", workers=None, ended=None)
    master.answers["job_list"] = (200, [a_job(), failed])
    code, out, _ = run("job", "list", "--limit", "2")
    assert (code, master.asked) == (0, [("job_list", {"limit": 2, "after": None})])
    lines = [re.split(r"  +", line) for line in out.splitlines()]
    assert lines[1] == [ID, "start", "done", "2027-01-15 08:00:00", "2s", "root (ann)", "web; new release"]
    assert (lines[2][1:3], lines[2][-1]) == (["job cancel", "failed"], "no")


def test_one_job_is_a_line_a_fact(run: Run, master: SocketMaster) -> None:
    """Those that there are."""
    error = {"detail": "there is no worker x", "hint": "did you mean y?"}
    master.answers["job_get"] = (200, a_job(state="failed", error=error, result=None, reason=""))
    assert run("job", "get", ID)[1].splitlines() == [
        f"job      {ID}",
        "what     start",
        "state    failed",
        "workers  web",
        "by       root (ann)",
        "began    2027-01-15 08:00:00",
        "ended    2027-01-15 08:00:02",
        "error    there is no worker x",
        "hint     did you mean y?",
    ]


def test_what_can_not_be_a_job_is_not_asked_for(run: Run, master: SocketMaster) -> None:
    """Exit code 2, and the value is named."""
    code, _, err = run("job", "get", "x")
    assert (code, err.startswith('error: JOB "x": expected'), master.asked) == (2, True, [])


def event(kind: str, data: Any, worker: str | None = None) -> Event:
    """Something that happened at noon."""
    return Event("e-1", kind, NOON, worker, data)


def test_events_are_a_line_each(run: Run, master: SocketMaster, worker: Callable[..., WorkerView]) -> None:
    """For people, whatever kind they are of; as JSON they are what the API answers."""
    told = [
        event("worker", WorkerEvent("starting", "it is ready", "ann", False, worker("web")), "web"),
        event("worker", WorkerEvent("stopped", "removed", "ann", True, worker("web")), "web"),
        event("job", {"id": ID, "operation": "start", "state": "done", "by": "ann", "workers": ["web"]}),
        event("gap", {"missed": 7}),
        event("gap", {"missed": None}),
        event("master", {"store": "ok"}),
        event("accepted", {"id": ID, "operation": "job_cancel", "by": "ann"}),
        event("progress", {"done": 1, "of": 2, "worker": "web", "state": "running"}),
        event("result", []),
        event("error", {"detail": "no\x1b[2J"}),
        event("done", {"state": "failed"}),
    ]
    assert [records.event(one).removeprefix("08:00:00 ") for one in told] == [
        "web: running, ready (pid 4711); it is ready by ann",
        "web: removed by ann",
        f"{ID}: start web by ann: done",
        "7 events were missed here",
        "some events were missed here",
        'master: {"store":"ok"}',
        "accepted: job cancel by ann",
        "1 of 2: web is running",
        "the result is there",
        "error: no\\x1b[2J",
        "it is failed",
    ]
    line = json.dumps({"cursor": "e-1", "kind": "done", "at": NOON, "worker": None, "data": {"state": "done"}})
    master.answers["job_events"] = (200, line.encode() + b"\n")
    assert run("job", "events", ID) == (0, "08:00:00 it is done\n", "")
    assert run("job", "events", ID, "--json") == (0, line + "\n", "")


def entry(seq: int, **fields: Any) -> Entry:
    """One of the journal."""
    return Entry(seq=seq, record=Record(at=NOON, **fields), prev="0" * 64, hash="f" * 64)


def test_the_journal_is_a_table(run: Run, master: SocketMaster) -> None:
    """Who, behind which account, from where, what, how it ended, why."""
    begun = entry(
        1, what="start", who="root", operator="ann", origin="socket", asked={"workers": ["a", "b"]}, reason="r"
    )
    ended = entry(2, what="start", who="root", operator="root", outcome="no_such_worker", ref=1)
    master.answers["audit_log"] = (200, [ended, begun])
    code, out, _ = run("audit", "log")
    lines = [re.split(r"  +", line) for line in out.splitlines()[1:]]
    assert (code, lines) == (
        0,
        [
            ["2", "2027-01-15 08:00:00", "root", "start, begun as 1", "no_such_worker"],
            ["1", "2027-01-15 08:00:00", "root (ann)", "socket", "start a, b", "begun", "r"],
        ],
    )


def test_a_whole_journal_says_what_to_note_down(run: Run, master: SocketMaster) -> None:
    """Alone on standard output."""
    master.answers["audit_verify"] = (200, Verdict(3, Head(3, "f" * 64), ""))
    code, out, err = run("audit", "verify", "--known", f"1:{'0' * 64}")
    assert (code, out) == (0, f"3:{'f' * 64}\n")
    assert err.startswith("3 entries, each in its place; ")
    assert master.asked == [("audit_verify", {"known": f"1:{'0' * 64}"})]


def test_a_broken_journal_is_7(run: Run, master: SocketMaster) -> None:
    """With JSON too."""
    master.answers["audit_verify"] = (200, Verdict(3, Head(3, "f" * 64), "entry 2: it was changed"))
    code, out, err = run("audit", "verify")
    assert (code, out) == (7, "")
    assert "entry 2: it was changed" in err
    assert run("audit", "verify", "--json")[0] == 7


@pytest.fixture
def lines() -> list[bytes]:
    """A journal of three entries."""
    head, found = START, []
    for number in range(3):
        line, head = seal(encode(Record(at=NOON, what="start", who=f"user{number}")), head)
        found.append(line)
    return found


def test_an_export_is_checked_without_a_master(run: Run, tmp_path: Path, lines: list[bytes]) -> None:
    """And against what was noted down earlier."""
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join(lines))
    code, out, _ = run("audit", "verify", "--file", str(file))
    assert (code, out.startswith("3:")) == (0, True)
    assert run("audit", "verify", "--file", str(file), "--known", out.strip())[0] == 0
    file.write_bytes(b"".join(lines[:2]))
    assert run("audit", "verify", "--file", str(file), "--known", out.strip())[0] == 7
    file.write_bytes(b"".join(lines).replace(b"user1", b"user9"))
    code, out, err = run("audit", "verify", "--file", str(file), "--json")
    assert (code, json.loads(out)["entries"]) == (7, 3)
    assert f"{file}:2: entry 2" in json.loads(err)["detail"]
    assert run("audit", "verify", "--file", str(tmp_path / "none"))[0] == 3


def test_an_export_is_byte_for_byte_or_not_there(
    run: Run, master: SocketMaster, tmp_path: Path, lines: list[bytes]
) -> None:
    """One that broke off leaves the one before as it was."""
    file = tmp_path / "journal.jsonl"
    master.answers["audit_export"] = (200, b"".join(lines))
    assert run("audit", "export", "--output", str(file)) == (0, "", "")
    assert file.read_bytes() == b"".join(lines)
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("audit", "export") == (0, b"".join(lines).decode(), "")
    master.answers["audit_export"] = (200, b"".join(lines)[:-5])
    assert run("audit", "export", "--output", str(file))[0] == 5
    assert file.read_bytes() == b"".join(lines)
    assert run("audit", "export", "--output", str(tmp_path / "none" / "x"))[0] == 5


def test_a_reason_goes_along(run: Run, master: SocketMaster, paths: Paths) -> None:
    """On whatever changes something."""
    master.answers["remove"] = (200, ["web"])
    assert run("remove", "web", "--reason", "not needed")[0] == 0
    assert master.heard[-1]["beeyard-reason"] == "not%20needed"
