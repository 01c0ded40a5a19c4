"""Probes of real workers: what they wrote, questions by hand, and a worker that hangs."""

import os
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.spec import Endpoint, ProbeSpec
from beeyard.domain.values import Duration
from tests.end_to_end.workers import AT_ONCE, LOOP, python, shell
from tests.yard import Refusal, Yard, eventually

OFTEN = Duration(0.1)
ANSWERS = """
import http.server, os, threading

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists("hang") and open("hang").read() == str(os.getpid()):
            print("asked while it hangs", flush=True)
            threading.Event().wait()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["BEEYARD_PORT_HTTP"])), Answer).serve_forever()
"""


def test_a_worker_is_ready_when_it_wrote_its_line_and_not_by_an_earlier_attempts(
    fresh_yard: Yard, tmp_path: Path
) -> None:
    """The first attempt says so at once; the second one has to say it again."""
    script = (
        f"if [ -e {tmp_path}/second ]; then while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; fi; echo up 1; {LOOP}"
    )
    silent = ProbeSpec("log", target="^up [0-9]$", stream="stdout", period=OFTEN, failures=1)
    fresh_yard.apply(shell("web", script, AT_ONCE, probes={"readiness": silent}))
    first = fresh_yard.running("web")["web"]["pid"]
    (tmp_path / "second").touch()
    os.kill(first, signal.SIGKILL)
    reason = "not ready: it wrote no line with '^up [0-9]$'"
    eventually(lambda: fresh_yard.ps()["web"]["note"] == reason, "a second attempt that is not ready")
    (tmp_path / "go").touch()
    assert fresh_yard.running("web")["web"]["attempt"] == 2


def test_a_line_written_while_the_master_was_dead_makes_the_worker_ready(fresh_yard: Yard, tmp_path: Path) -> None:
    """And the worker is the same one as before."""
    script = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo ready >&2; touch {tmp_path}/said; {LOOP}"
    probe = ProbeSpec("log", target="ready", period=Duration(3600.0))
    fresh_yard.apply(shell("web", script, probes={"startup": probe}))
    pid = eventually(lambda: fresh_yard.ps()["web"]["pid"])
    master = fresh_yard.pid("master")
    os.kill(master, signal.SIGSTOP)  # It can't be alive again before the line is there.
    (tmp_path / "go").touch()
    eventually((tmp_path / "said").exists, "a line")
    os.kill(master, signal.SIGKILL)
    assert fresh_yard.running("web")["web"]["pid"] == pid


def test_a_probe_asked_by_hand_runs_its_command_now_and_shows_what_that_cost(fresh_yard: Yard, tmp_path: Path) -> None:
    """Its answer makes the worker ready an hour before its time."""
    asks = ("/bin/sh", "-c", f"test -e {tmp_path}/good || {{ echo not yet; exit 1; }}")
    hourly = ProbeSpec("exec", command=asks, period=Duration(3600.0), timeout=Duration(30.0))
    fresh_yard.apply(shell("web", LOOP, probes={"readiness": hourly}))
    eventually(lambda: fresh_yard.ps()["web"]["pid"])
    (answer,) = fresh_yard.ask("probe", worker="web", role="readiness")
    assert (answer["ok"], answer["reason"]) == (False, "/bin/sh ended with exit code 1: not yet")
    (tmp_path / "good").touch()
    (answer,) = fresh_yard.ask("probe", worker="web")
    assert (answer["ok"], answer["counted"]) == (True, True)
    fresh_yard.running("web")
    costs = fresh_yard.ask("show", worker="web")[0]["probes"]["readiness"]
    assert (costs["asked"], costs["took"] > 0) == (answer["costs"]["asked"], True)


def test_a_stopped_worker_can_not_be_probed(fresh_yard: Yard) -> None:
    """The error names its state."""
    fresh_yard.apply(shell("web", LOOP, probes={"liveness": ProbeSpec("process")}, enabled=False))
    with pytest.raises(Refusal, match=r"^web can't be probed: it is registered$"):
        fresh_yard.ask("probe", worker="web")


def test_a_worker_that_hangs_is_replaced_after_as_many_failures_as_it_may_have(
    fresh_yard: Yard, tmp_path: Path
) -> None:
    """It takes three questions and answers none; that is its end, and its successor answers."""
    asks = ProbeSpec("http", "/", endpoint="http", period=OFTEN, timeout=Duration(0.5), failures=3)
    worker = python(
        "web",
        ANSWERS.replace('"hang"', repr(str(tmp_path / "hang"))),
        AT_ONCE,
        endpoints={"http": Endpoint("http")},
        probes={"startup": replace(asks, timeout=Duration(30.0), failures=1000), "liveness": asks},
    )
    fresh_yard.apply(worker)
    pid = fresh_yard.running("web")["web"]["pid"]
    (tmp_path / "hang").write_text(str(pid))
    eventually(lambda: fresh_yard.ps()["web"]["pid"] not in (None, pid), "a successor")
    fresh_yard.running("web")
    (why,) = fresh_yard.ask("why", worker="web", story=100)
    happened = [entry["what"] for entry in why["story"]]
    failed = next(at for at, what in enumerate(happened) if what.startswith("liveness probe failed: no answer from"))
    words = [what.partition(":")[0].partition(",")[0] for what in happened[failed:]]
    assert words == ["liveness probe failed", "ended", "all it needs is there", "started", "startup probe passed"]
    assert why["deaths"][0]["cause"]["kind"] == "probe"
    assert fresh_yard.log("web").count(b"asked while it hangs") == 3
