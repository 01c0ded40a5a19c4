"""What people read, word by word."""

import time
from collections.abc import Callable, Iterator

import pytest

from beeyard.application.operations.info import InfoView, ModulesView, PackagesView, RepositoryView
from beeyard.application.views import WorkerView
from beeyard.domain.errors import Invalid, NotFound, Problem
from beeyard.entrypoints.cli import render
from beeyard.entrypoints.cli.screen import YELLOW, painted, printable

Make = Callable[..., WorkerView]
NOON = 1_700_049_600.0  # 2023-11-15 12:00:00 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def crowd(worker: Make) -> list[WorkerView]:
    """One of each kind."""
    return [
        worker("web.1", health="healthy", endpoints={"http": "http://127.0.0.1:8080"}),
        worker("db", ready=False, health="degraded", since=time.time() - 0.5, note="not ready: refused"),
        worker(
            "job",
            state="backoff",
            ready=False,
            pid=None,
            since=None,
            restarts=2,
            exit="exit code 3",
            note="restart in 4s (3 of 5 within 5m)",
        ),
    ]


def test_ps_is_aligned_columns(worker: Make) -> None:
    """Without a terminal nothing is cut."""
    assert render.workers(crowd(worker)) == (
        "NAME   STATE    READY  HEALTH    PID   UPTIME  RESTARTS  ENDPOINT               NOTE\n"
        "web.1  running  yes    healthy   4711  1h 2m   0         http://127.0.0.1:8080\n"
        "db     running  no     degraded  4711  500ms   0         -                      not ready: refused\n"
        "job    backoff  no     -         -     -       2         -                      "
        "exit code 3; restart in 4s (3 of 5 within 5m)"
    )


def test_ps_on_a_narrow_terminal_leaves_out_what_matters_least(worker: Make) -> None:
    """Names, states and notes stay; nothing passes the edge."""
    assert render.workers(crowd(worker), 44) == (
        "NAME   STATE    READY  NOTE\n"
        "web.1  running  yes\n"
        "db     running  no     not ready: refused\n"
        "job    backoff  no     exit code 3; restart…"
    )


@pytest.mark.parametrize("limit", [1, 8, 20, 60, 80, 200])
def test_ps_never_passes_the_edge(worker: Make, limit: int) -> None:
    """However narrow."""
    assert max(map(len, render.workers(crowd(worker), limit).splitlines())) <= limit


def test_colours_change_nothing_but_colours(worker: Make) -> None:
    """The text is the same without them."""
    import re

    coloured = render.workers(crowd(worker), colour=True)
    bare = [line.rstrip() for line in re.sub(r"\x1b\[[0-9]*m", "", coloured).splitlines()]
    assert bare == render.workers(crowd(worker)).splitlines()
    assert "\x1b[33mbackoff\x1b[0m" in coloured


def test_a_change_is_one_line(worker: Make) -> None:
    """For logs and pipes."""
    lines = [render.change(view) for view in crowd(worker)]
    assert lines == [
        "web.1: running, ready (pid 4711)",
        "db: running, not ready yet (pid 4711): not ready: refused",
        "job: backoff: exit code 3; restart in 4s (3 of 5 within 5m)",
    ]


def test_addresses_are_of_ready_workers(worker: Make) -> None:
    """Nobody is sent to one that does not answer yet."""
    views = [
        worker("web", endpoints={"http": "http://127.0.0.1:1", "admin": "tcp://127.0.0.1:2"}),
        worker("late", ready=False, endpoints={"http": "http://127.0.0.1:3"}),
    ]
    assert render.addresses(views) == "web http   http://127.0.0.1:1\nweb admin  tcp://127.0.0.1:2"


def test_info_tells_where_packages_come_from() -> None:
    """What is damaged is named, and so is who signs nothing; without packages there is no such line."""
    view = InfoView("1.0", "box", 10, 11, 12, "/s", "/s/master.sock", None, 3, "ok", {}, [])
    assert "packages" not in render.info(view)
    places = [RepositoryView(name, "binary", "/r", trust) for name, trust in (("main", "tuf"), ("dev", "unsigned"))]
    view.packages = PackagesView(2, ["caddy 2.11.4"], places)
    line = "packages   2 installed, damaged: caddy 2.11.4; from main, dev (unsigned)"
    assert render.info(view).splitlines()[-1] == line
    assert painted(line[11:], YELLOW) in render.info(view, colour=True)


def test_info_is_one_line_a_fact() -> None:
    """What is amiss stands there in words."""
    view = InfoView(
        version="1.0",
        host="box",
        master_pid=10,
        launcher_pid=None,
        pump_pid=12,
        state_dir="/s",
        socket="/s/run/master.sock",
        url=None,
        workers=3,
        store="disk full",
        capabilities={"process": {"whole_tree_kill": "cgroup", "user_switching": False, "exact_exits": True}},
        orphans=["x (pid 7)"],
        memory=63 * 1024 * 1024,
        modules=ModulesView(2, 5, 1),
    )
    assert render.info(view) == (
        "version    1.0\n"
        "host       box\n"
        "state      /s\n"
        "socket     /s/run/master.sock\n"
        "url        none: the socket only\n"
        "master     pid 10\n"
        "launcher   not connected\n"
        "log pump   pid 12\n"
        "workers    3\n"
        "store      disk full\n"
        "process    whole tree kill cgroup, user switching no, exact exits yes\n"
        "memory     63 MB, the master with all that runs within it\n"
        "modules    2 running; tasks: 5, threads: 1\n"
        "orphans    x (pid 7)"
    )


def test_an_error_has_a_hint_of_its_own() -> None:
    """Two lines, for people and for grep."""
    error = NotFound("no_such_worker", "there is no worker {name}", name="webb", hint="did you mean web?")
    assert render.error(error) == "error: there is no worker webb\nhint: did you mean web?"


def test_every_problem_of_a_file_has_its_line() -> None:
    """As compilers print them, so that editors jump there."""
    problems = [
        Problem("workers[0].id", "'a b'", "a name", "f.yaml", 2),
        Problem("x", "'y'", "z", "f.yaml", 9, "try q"),
    ]
    assert render.error(Invalid("config_invalid", "2 problems in f.yaml", problems=problems)) == (
        "f.yaml:2: workers[0].id: found 'a b', expected a name\n"
        "f.yaml:9: x: found 'y', expected z (try q)\n"
        "error: 2 problems in f.yaml"
    )


def test_problems_that_are_the_text_are_not_said_twice() -> None:
    """As the master sends them."""
    problem = Problem("web.user", "'bob'", "root")
    text = render.error(Invalid("spec_invalid", str(problem), problems=[problem]))
    assert text == "web.user: found 'bob', expected root\nerror: 1 problem; nothing was changed"


def test_control_characters_are_made_visible() -> None:
    """A worker's last line must not clear the screen of who reads it."""
    assert printable("a\x1b[2Jb\rc\td€") == "a\\x1b[2Jb\\rc\td€"
