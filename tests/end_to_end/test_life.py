"""A master's everyday: starting, watching, restarting, giving up, changing, going down and coming back."""

import os
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.spec import Backoff, Endpoint, ProbeRole, ProbeSpec, RestartPolicy
from beeyard.domain.values import Duration
from beeyard.launcher import kernel
from tests.end_to_end.workers import (
    AT_ONCE,
    LOOP,
    NEVER,
    asked,
    down_and_clean,
    lines,
    program,
    python,
    shell,
    steps,
)
from tests.yard import Refusal, Yard, eventually, launcher_program, master_program

ONCE = Backoff(delay=Duration(0.0), max_retries=None)


def pids(yard: Yard) -> dict[str, int]:
    """Worker -> process."""
    return {name: row["pid"] for name, row in yard.ps().items()}


def again(yard: Yard) -> None:
    """Start it once more."""
    yard.start(launcher_program(), master_program())


# --- order ----------------------------------------------------------------------------------------------------------


def test_what_is_needed_starts_first_and_ends_last(fresh_yard: Yard, tmp_path: Path) -> None:
    """A worker starts once what it needs is ready, not merely running; at the end it is the other way round."""
    order = tmp_path / "order"

    def link(name: str, **needs: str) -> object:
        script = (
            f"trap 'echo {name} ends >> {order}; exit 0' TERM; echo {name} starts >> {order}; sleep 0.1;"
            f" echo {name} ready >> {order}; touch {tmp_path / name}; {LOOP}"
        )
        ready = asked("/usr/bin/test", "-e", str(tmp_path / name), failures=1000)
        return shell(name, script, depends_on=needs, probes={"readiness": ready})

    fresh_yard.ask("apply", specs=[link("c", b="ready"), link("a"), link("b", a="healthy")], origin="test")
    fresh_yard.running("a", "b", "c")
    down_and_clean(fresh_yard)
    assert lines(order) == [f"{name} {what}" for name in "abc" for what in ("starts", "ready")] + [
        f"{name} ends" for name in "cba"
    ]


def test_a_worker_waits_until_another_has_completed(fresh_yard: Yard, tmp_path: Path) -> None:
    """One that failed is not completed: who waits says for what, and starts once it succeeds."""
    mended = tmp_path / "mended"
    migrate = shell("migrate", f"test -e {mended}")
    fresh_yard.ask("add", specs=[migrate, shell("app", LOOP, depends_on={"migrate": "completed"})], wait=False)
    eventually(lambda: fresh_yard.ps()["migrate"]["exit"] == "exit code 1", "the first try")
    row = fresh_yard.ps()["app"]
    assert (row["state"], row["attempt"]) == ("preparing", 0)
    assert row["note"] == "waits for migrate to be completed (it is stopped: exit code 1; it will not come by itself)"
    mended.touch()
    fresh_yard.ask("start", workers=["migrate"])
    fresh_yard.running("app")
    assert fresh_yard.ps()["migrate"]["exit"] == "exit code 0"


def test_a_group_is_addressed_by_one_name(fresh_yard: Yard) -> None:
    """And each of its workers by its own."""
    fresh_yard.apply(*(shell(f"web.{number}", LOOP) for number in (1, 2, 3)), shell("other", LOOP))
    before = fresh_yard.running()
    fresh_yard.ask("restart", workers=["web.2"])
    after = fresh_yard.running()
    assert [name for name in after if after[name]["pid"] != before[name]["pid"]] == ["web.2"]
    assert {row["id"] for row in fresh_yard.ask("stop", workers=["web"])} == {"web.1", "web.2", "web.3"}
    assert {name: row["state"] for name, row in fresh_yard.ps().items()} == {
        "web.1": "stopped",
        "web.2": "stopped",
        "web.3": "stopped",
        "other": "running",
    }
    down_and_clean(fresh_yard)


def test_a_stop_takes_each_step_and_then_kills(fresh_yard: Yard, tmp_path: Path) -> None:
    """Signals in the order of the spec; one that ends at a step is spared the rest."""
    out = tmp_path / "out"
    traps = f"trap 'echo INT >> {out}' INT; trap 'echo TERM >> {out}' TERM; touch {tmp_path}/deaf; {LOOP}"
    polite = f"trap '' INT; trap 'exit 4' TERM; touch {tmp_path}/polite; {LOOP}"
    stop = steps((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2))
    fresh_yard.apply(shell("deaf", traps, stop=stop), shell("polite", polite, stop=steps((2, 0.2), (15, 30.0))))
    fresh_yard.running()
    eventually(lambda: (tmp_path / "deaf").exists() and (tmp_path / "polite").exists(), "traps are set")
    rows = {row["id"]: row["exit"] for row in fresh_yard.ask("stop", workers=["deaf", "polite"])}
    assert rows == {"deaf": "SIGKILL", "polite": "exit code 4"}
    assert lines(out) == ["INT", "TERM"]


# --- restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "code", "comes_back"),
    [
        ("never", 0, False),
        ("never", 1, False),
        ("on-failure", 0, False),
        ("on-failure", 1, True),
        ("always", 0, True),
        ("unless-stopped", 0, True),
        ("unless-stopped", 1, True),
    ],
)
def test_the_policy_says_who_comes_back(fresh_yard: Yard, policy: str, code: int, comes_back: bool) -> None:
    """After an end that nobody asked for, and after one that somebody did nobody does."""
    restart = RestartPolicy(policy=policy, backoff=ONCE, jitter=0.0)  # type: ignore[arg-type]
    fresh_yard.apply(shell("worker", f"trap 'exit {code}' USR1; echo up; {LOOP}", restart))
    pid = fresh_yard.running()["worker"]["pid"]
    eventually(lambda: fresh_yard.log("worker") == b"up\n", "its trap is set")
    os.kill(pid, signal.SIGUSR1)
    eventually(lambda: fresh_yard.ps()["worker"]["exit"] == f"exit code {code}", "its end")
    if comes_back:
        eventually(lambda: fresh_yard.ps()["worker"]["attempt"] == 2, "the next attempt")
        fresh_yard.running()
        (row,) = fresh_yard.ask("stop", workers=["worker"])
        assert (row["state"], row["wanted"], row["attempt"]) == ("stopped", "down", 2)
    else:
        row = fresh_yard.ps()["worker"]
        assert (row["state"], row["wanted"], row["attempt"]) == ("stopped", "up", 1)


def test_too_many_restarts_end_in_failed_and_trials(fresh_yard: Yard, tmp_path: Path) -> None:
    """First later and later, then not at all, then one trial after each cool-down, until one lives."""
    mended, starts = tmp_path / "mended", tmp_path / "starts"
    restart = RestartPolicy(
        policy="on-failure",
        backoff=Backoff(delay=Duration(0.02), factor=2.0, max_retries=2),
        jitter=0.0,
        window=Duration(600.0),
        cool_down=Duration(0.4),
    )
    script = f"echo start >> {starts}; test -e {mended} && {LOOP}; exit 6"
    fresh_yard.ask("add", specs=[shell("worker", script, restart)], wait=False)
    row = eventually(lambda: (r := fresh_yard.ps()["worker"])["state"] == "failed" and r, "the breaker open")
    assert (row["attempt"], row["exit"], row["retry_at"] <= time.time() + 0.4) == (3, "exit code 6", True)
    assert row["note"] == "2 restarts within 10m (max_retries); one trial start in 400ms"
    eventually(lambda: len(lines(starts)) >= 5, "two trials")
    notes = [death["decision"] for death in fresh_yard.ask("why", worker="worker", deaths=10)[0]["deaths"]]
    assert notes[-1] == "restart in 20ms (1 of 2 within 10m)"
    assert notes[-2] == "restart in 40ms (2 of 2 within 10m)"
    assert notes[-4] == "the trial start after a cool-down failed; next trial in 400ms"
    mended.touch()
    assert fresh_yard.running("worker")["worker"]["exit"] == "exit code 6"


def test_no_retries_is_no_retry_and_a_start_is_a_fresh_one(fresh_yard: Yard) -> None:
    """`max_retries: 0` waits for a person, again and again."""
    restart = RestartPolicy(policy="always", backoff=Backoff(max_retries=0))
    fresh_yard.ask("add", specs=[shell("worker", "exit 1", restart)], wait=False)
    row = eventually(lambda: (r := fresh_yard.ps()["worker"])["state"] == "failed" and r, "the breaker open")
    assert (row["note"], row["retry_at"], row["attempt"]) == ("max_retries is 0", None, 1)
    fresh_yard.ask("start", workers=["worker"])
    eventually(lambda: (r := fresh_yard.ps()["worker"])["state"] == "failed" and r["attempt"] == 2, "open again")


def test_what_cannot_be_started_is_said_and_tried_again(fresh_yard: Yard, tmp_path: Path) -> None:
    """A program that vanished is an end like any other."""
    file = tmp_path / "program"
    file.write_text(f"#!/bin/sh\necho up\n{LOOP}\n")
    file.chmod(0o755)
    restart = RestartPolicy(policy="always", backoff=Backoff(delay=Duration(0.05), factor=1.0, max_retries=None))
    fresh_yard.ask("add", specs=[program("worker", str(file), restart=restart)])
    eventually(lambda: fresh_yard.log("worker") == b"up\n", "the shell has opened it")
    os.rename(file, file.with_suffix(".away"))
    os.kill(fresh_yard.ps()["worker"]["pid"], signal.SIGKILL)
    said = f"end unknown: {file}: No such file or directory"
    eventually(lambda: fresh_yard.ps()["worker"]["exit"] == said, f"{fresh_yard.ps()}")
    os.rename(file.with_suffix(".away"), file)
    fresh_yard.running("worker")


# --- health ---------------------------------------------------------------------------------------------------------


def test_each_kind_of_probe_makes_ready(fresh_yard: Yard) -> None:
    """http, tcp, exec and process, against ports that the master chose."""
    script = (
        "import http.server, os\n"
        "address = ('127.0.0.1', int(os.environ['BEEYARD_PORT_HTTP']))\n"
        "http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    kinds = {
        "http": ProbeSpec("http", target="/"),
        "tcp": ProbeSpec("tcp", target="http"),
        "exec": asked("/bin/sh", "-c", 'test "$BEEYARD_WORKER" = exec'),
        "process": ProbeSpec("process"),
    }
    fresh_yard.apply(
        *(
            python(
                name,
                script,
                endpoints={"http": Endpoint("http")},
                probes={"readiness": _often(probe), "liveness": _often(probe)},
            )
            for name, probe in kinds.items()
        )
    )
    rows = fresh_yard.running(*kinds)
    assert {name: (row["health"], row["attempt"]) for name, row in rows.items()} == dict.fromkeys(kinds, ("healthy", 1))


def _often(probe: ProbeSpec) -> ProbeSpec:
    return replace(probe, period=Duration(0.05), timeout=Duration(5.0), failures=200)


@pytest.mark.parametrize("role", ["startup", "liveness"])
def test_a_sick_worker_is_restarted(fresh_yard: Yard, tmp_path: Path, role: ProbeRole) -> None:
    """Its end names the probe and what the probe said, and counts as a failure."""
    sick = tmp_path / "sick"
    if role == "startup":
        sick.touch()
    probe = asked("/bin/sh", "-c", f"if test -e {sick}; then echo fever; exit 3; fi")
    script = f"trap 'rm -f {sick}; exit 0' TERM; {LOOP}"
    fresh_yard.ask("add", specs=[shell("worker", script, AT_ONCE, probes={role: probe})], wait=False)
    if role == "liveness":
        fresh_yard.running("worker")
        sick.touch()
    eventually(lambda: fresh_yard.ps()["worker"]["attempt"] == 2, "the next attempt")
    fresh_yard.running("worker")
    (told,) = fresh_yard.ask("why", worker="worker")
    death = told["deaths"][0]
    assert death["cause"] == {
        "kind": "probe",
        "detail": f"{role} probe failed: /bin/sh ended with exit code 3: fever",
    }
    assert death["exit"]["code"] in (0, None)
    assert death["decision"].startswith("restarted at once")


def test_an_unready_worker_goes_on_and_says_why(fresh_yard: Yard, tmp_path: Path) -> None:
    """Readiness comes and goes with the same process."""
    busy = tmp_path / "busy"
    probe = asked("/bin/sh", "-c", f"test ! -e {busy} || {{ echo busy; exit 1; }}")
    fresh_yard.apply(shell("worker", LOOP, AT_ONCE, probes={"readiness": probe}))
    pid = fresh_yard.running()["worker"]["pid"]
    busy.touch()
    eventually(lambda: not fresh_yard.ps()["worker"]["ready"], "not ready")
    row = fresh_yard.ps()["worker"]
    assert (row["state"], row["health"], row["pid"]) == ("running", "degraded", pid)
    assert row["note"] == "not ready: /bin/sh ended with exit code 1: busy"
    busy.unlink()
    assert fresh_yard.running()["worker"]["pid"] == pid


# --- change ---------------------------------------------------------------------------------------------------------


def test_a_disabled_worker_is_known_and_does_not_run(fresh_yard: Yard) -> None:
    """Until it is started, or enabled."""
    fresh_yard.apply(shell("worker", LOOP, enabled=False), shell("other", LOOP))
    fresh_yard.running("other")
    row = fresh_yard.ps()["worker"]
    assert (row["state"], row["wanted"], row["pid"], row["attempt"]) == ("registered", "down", None, 0)
    fresh_yard.ask("start", workers=["worker"])
    pid = fresh_yard.running()["worker"]["pid"]
    fresh_yard.apply(shell("worker", LOOP, enabled=False), shell("other", LOOP))
    assert fresh_yard.running()["worker"]["pid"] == pid  # The file says what it said before.
    fresh_yard.apply(shell("worker", LOOP), shell("other", LOOP))
    fresh_yard.apply(shell("worker", LOOP, enabled=False), shell("other", LOOP))
    eventually(lambda: fresh_yard.ps()["worker"]["state"] == "stopped", "switched off")


def test_apply_changes_only_what_changed(fresh_yard: Yard) -> None:
    """What is the same, or differs in supervision alone, keeps its process; a second time there is nothing to do."""
    fresh_yard.apply(*(shell(name, LOOP, origin="test") for name in ("same", "adjusted", "changed", "gone")))
    fresh_yard.ask("add", specs=[shell("by-hand", LOOP)])
    before = {name: row["pid"] for name, row in fresh_yard.running().items()}
    scripts = {"same": LOOP, "adjusted": LOOP, "changed": f": ; {LOOP}", "new": LOOP}
    policy = {"adjusted": AT_ONCE}
    wished = [shell(name, script, policy.get(name, NEVER), origin="test") for name, script in scripts.items()]
    dry = fresh_yard.ask("apply", specs=wished, origin="test", dry_run=True)
    assert pids(fresh_yard) == before
    answer = fresh_yard.ask("apply", specs=wished, origin="test")
    assert answer["plan"] == dry["plan"]
    plan = answer["plan"]
    assert {what: plan[what] for what in ("add", "restart", "adjust", "remove", "keep")} == {
        "add": ["new"],
        "restart": ["changed"],
        "adjust": ["adjusted"],
        "remove": ["gone"],
        "keep": ["same"],
    }
    after = {name: row["pid"] for name, row in fresh_yard.running().items()}
    assert set(after) == {"same", "adjusted", "changed", "new", "by-hand"}
    assert {name for name in after if after[name] == before.get(name)} == {"same", "adjusted", "by-hand"}
    assert fresh_yard.leaders("gone") == []
    plan = fresh_yard.ask("apply", specs=wished, origin="test")["plan"]
    assert [plan[what] for what in ("add", "restart", "adjust", "remove")] == [[], [], [], []]
    assert pids(fresh_yard) == after


def test_what_runs_is_not_removed(fresh_yard: Yard) -> None:
    """Nor what others need; stopped, it goes, and its logs stay until they are purged."""
    fresh_yard.apply(shell("base", f"echo up; {LOOP}"), shell("top", LOOP, depends_on={"base": "started"}))
    fresh_yard.running()
    eventually(lambda: fresh_yard.log("base") == b"up\n", "it wrote its line before it is stopped")
    with pytest.raises(Refusal) as refused:
        fresh_yard.ask("remove", workers=["top"])
    assert (refused.value.document["status"], refused.value.document["code"]) == (409, "worker_busy")
    assert str(refused.value) == "top can't be removed: it is running"
    fresh_yard.ask("stop", workers=["base"])
    with pytest.raises(Refusal) as refused:
        fresh_yard.ask("remove", workers=["base"])
    assert str(refused.value) == "base can't be removed: it is needed by top"
    assert fresh_yard.ask("remove", workers=["top"], stop=True) == ["top"]
    assert fresh_yard.ask("remove", workers=["base"]) == ["base"]
    assert fresh_yard.ps() == {}
    assert fresh_yard.log("base") == b"up\n"
    fresh_yard.ask("add", specs=[shell("base", f"echo again; {LOOP}")])
    eventually(lambda: fresh_yard.log("base") == b"up\nagain\n", "it is a worker again")
    fresh_yard.ask("remove", workers=["base"], stop=True, purge=True)
    assert not os.path.exists(fresh_yard.paths.worker_logs("base"))


# --- coming back ----------------------------------------------------------------------------------------------------


def test_after_down_what_was_wanted_starts_again(fresh_yard: Yard) -> None:
    """And what an operator stopped stays stopped; restart counts and stories are kept."""
    fresh_yard.apply(shell("wanted", LOOP), shell("stopped", LOOP))
    fresh_yard.running()
    fresh_yard.ask("stop", workers=["stopped"])
    down_and_clean(fresh_yard)
    again(fresh_yard)
    fresh_yard.apply(shell("wanted", LOOP), shell("stopped", LOOP))
    assert fresh_yard.running("wanted")["wanted"]["attempt"] == 2
    row = fresh_yard.ps()["stopped"]
    assert (row["state"], row["attempt"], row["wanted"]) == ("stopped", 1, "down")
    (told,) = fresh_yard.ask("why", worker="wanted", story=50)
    assert "master going down" in [entry["what"] for entry in told["story"]]


def test_a_master_that_is_ended_leaves_its_workers_to_the_next(fresh_yard: Yard) -> None:
    """SIGTERM to the master: the same workers, another master, and nothing was restarted."""
    fresh_yard.apply(shell("worker", LOOP), shell("down", LOOP))
    before = fresh_yard.running()["worker"]
    fresh_yard.ask("stop", workers=["down"])
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGTERM)
    eventually(lambda: kernel.stat(master) is None, "the old one gone")
    eventually(fresh_yard.answers, "another one")
    after = fresh_yard.running("worker")["worker"]
    assert (after["pid"], after["attempt"]) == (before["pid"], before["attempt"])
    assert fresh_yard.pid("master") != master
    assert fresh_yard.ps()["down"]["state"] == "stopped"
    down_and_clean(fresh_yard)


def test_a_launcher_that_is_ended_leaves_the_workers_to_the_next_start(fresh_yard: Yard) -> None:
    """SIGTERM to the launcher ends the master as well; whoever starts Beeyard then finds all as it was."""
    fresh_yard.apply(shell("worker", f"trap 'exit 7' USR1; echo up; {LOOP}"))
    before = fresh_yard.running()["worker"]
    eventually(lambda: fresh_yard.log("worker") == b"up\n", "its trap is set")
    roles = {role: fresh_yard.pid(role) for role in ("launcher", "master")}
    os.kill(roles["launcher"], signal.SIGTERM)
    os.waitpid(roles["launcher"], 0)
    eventually(lambda: not any(_lives(pid) for pid in roles.values()), "both gone")
    assert fresh_yard.leaders("worker") == [before["pid"]]
    again(fresh_yard)
    after = fresh_yard.running()["worker"]
    assert (after["pid"], after["attempt"]) == (before["pid"], before["attempt"])
    os.kill(before["pid"], signal.SIGUSR1)
    eventually(lambda: fresh_yard.ps()["worker"]["state"] == "stopped", "its end is seen")
    down_and_clean(fresh_yard)


def test_a_launcher_that_was_ended_is_not_brought_back_by_its_master(fresh_yard: Yard) -> None:
    """Not even by one that learns in the same moment that it has to end and that its launcher is gone."""
    launcher, master = fresh_yard.pid("launcher"), fresh_yard.pid("master")
    os.kill(master, signal.SIGSTOP)
    os.kill(launcher, signal.SIGTERM)
    os.waitpid(launcher, 0)
    os.kill(master, signal.SIGCONT)
    eventually(lambda: not _lives(master), "the master gone")
    assert _launchers(fresh_yard) == []


def _launchers(yard: Yard) -> list[int]:
    """Those of this state folder, also one that is only starting."""
    argv = "\0".join([*launcher_program(), "--state", yard.paths.state])
    places = ((pid, Path(f"/proc/{pid}/cmdline")) for pid in kernel.processes())
    return [pid for pid, place in places if place.exists() and place.read_text().startswith(argv)]


def _lives(pid: int) -> bool:
    seen = kernel.stat(pid)
    return seen is not None and seen.state not in "ZX"


def test_why_tells_how_it_died(fresh_yard: Yard) -> None:
    """Cause, code or signal, last words of both streams, what was decided; newest death first."""
    script = "echo one; echo two >&2; sleep 0.01; test $BEEYARD_WORKER = coded && exit 3; kill -SEGV $$"
    restart = RestartPolicy(policy="on-failure", backoff=Backoff(delay=Duration(0.5), max_retries=1), jitter=0.0)
    fresh_yard.ask("add", specs=[shell("coded", script, restart), shell("shot", script, NEVER)], wait=False)
    eventually(lambda: fresh_yard.ps()["coded"]["state"] == "failed", "coded gave up")
    eventually(lambda: fresh_yard.ps()["shot"]["state"] == "stopped", "shot ended")

    def told(name: str, count: int) -> list[dict[str, object]]:
        def look() -> list[dict[str, object]]:
            deaths: list[dict[str, object]] = fresh_yard.ask("why", worker=name)[0]["deaths"]
            full = len(deaths) == count and all(sorted(d.get("lines", ())) == ["one", "two"] for d in deaths)  # type: ignore[call-overload]
            return deaths if full else []

        return eventually(look, f"all last lines of {name}: {fresh_yard.ask('why', worker=name)}")

    coded = told("coded", 2)
    assert [(d["attempt"], d["cause"]) for d in coded] == [
        (2, {"kind": "exit", "detail": "exit code 3"}),
        (1, {"kind": "exit", "detail": "exit code 3"}),
    ]
    assert coded[1]["decision"] == "restart in 500ms (1 of 1 within 5m)"
    assert coded[0]["decision"] == "1 restart within 5m (max_retries); one trial start in 5m"
    (shot,) = told("shot", 1)
    exit = shot["exit"]
    assert isinstance(exit, dict)
    core = exit.get("core", False)
    assert exit["signal"] == signal.SIGSEGV
    assert shot["cause"] == {"kind": "signal", "detail": "SIGSEGV (core dumped)" if core else "SIGSEGV"}
    assert shot["decision"] == "restart policy is never"
    story = [entry["what"] for entry in fresh_yard.ask("why", worker="shot", story=50)[0]["story"]]
    assert story[-1] == f"ended: {'SIGSEGV (core dumped)' if core else 'SIGSEGV'}"
    assert any(what.startswith("started, pid ") for what in story)


def test_a_chosen_port_stays_and_files_say_where(fresh_yard: Yard) -> None:
    """Over a restart, a new master and a down; while the worker is down there is no file."""
    script = (
        "import os, socket, time\n"
        "s = socket.create_server(('127.0.0.1', int(os.environ['BEEYARD_PORT_MAIN'])))\n"
        "print('up', flush=True)\ntime.sleep(1000)"
    )
    spec = python("worker", script, endpoints={"main": Endpoint("tcp")}, probes={"readiness": _often(ProbeSpec("tcp"))})
    files = [Path(fresh_yard.paths.pids, f"worker.{kind}") for kind in ("pid", "port")]
    fresh_yard.apply(spec)
    row = fresh_yard.running()["worker"]
    endpoint = row["endpoints"]["main"]
    port = endpoint.rpartition(":")[2]
    for change in ("restart", "kill", "down"):
        match change:
            case "restart":
                fresh_yard.ask("restart", workers=["worker"])
            case "kill":
                os.kill(fresh_yard.pid("master"), signal.SIGKILL)
                eventually(fresh_yard.answers, "another master")
                fresh_yard.ask("restart", workers=["worker"])
            case "down":
                fresh_yard.down()
                assert not any(file.exists() for file in files)
                again(fresh_yard)
                fresh_yard.apply(spec)
        row = fresh_yard.running()["worker"]
        assert row["endpoints"]["main"] == endpoint
        assert [file.read_text() for file in files] == [f"{row['pid']}\n", f"{port}\n"]
    fresh_yard.ask("stop", workers=["worker"])
    assert not any(file.exists() for file in files)
