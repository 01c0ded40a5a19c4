"""What readers see of a worker in each phase."""

import pytest
from msgspec.structs import replace

from beeyard.application.views import WorkerView, view
from beeyard.domain.health import Health
from beeyard.domain.messages import Exit, Now
from beeyard.domain.spec import Endpoint
from beeyard.domain.worker import (
    Cause,
    Death,
    Down,
    Failed,
    Phase,
    Preparing,
    Running,
    Starting,
    Stopping,
    Waiting,
    Wanted,
    Worker,
    new,
)
from tests.fakes.world import handle, spec

NOW = Now(1000.0, 5000.0)
ENDPOINTS = {"http": Endpoint("http", path="/api"), "raw": Endpoint("tcp", 7000, host="0.0.0.0")}
SPEC = spec("web", endpoints=ENDPOINTS, origin="FILE")
AT_REST = WorkerView(
    id="web",
    state="stopped",
    ready=False,
    health="unknown",
    pid=None,
    attempt=3,
    restarts=2,
    provider="fake",
    package=None,
    endpoints={},
    wanted="up",
    since=None,
    note="",
    exit=None,
    retry_at=None,
    origin="FILE",
)
ALIVE = replace(
    AT_REST, pid=103, since=4940.0, endpoints={"http": "http://127.0.0.1:20001/api", "raw": "tcp://0.0.0.0:7000"}
)
RUNNING = Running(1, 3, handle(3), 940.0, 4940.0, ready_since=941.0)
STOPPING = Stopping(1, 3, handle(3), 940.0, Cause("operator"), 1, 1004.0)
SICK = Cause("probe", "liveness probe failed: 503")


def record(phase: Phase, **fields: object) -> Worker:
    """A worker with some past."""
    ports = {"http": 20001, "raw": 7000}
    return replace(Worker(SPEC, Wanted(True), phase, attempt=3, restarts=2, ports=ports), **fields)


@pytest.mark.parametrize(
    ("worker", "seen"),
    [
        (new(SPEC), replace(AT_REST, state="registered", attempt=0, restarts=0)),
        (record(Down(1, "done")), replace(AT_REST, note="done")),
        (record(Down(1), wanted=Wanted(False)), replace(AT_REST, wanted="down")),
        (record(Down(1), wanted=Wanted(True, held=True)), replace(AT_REST, wanted="down")),
        (record(Preparing(1, "waits for db")), replace(AT_REST, state="preparing", note="waits for db")),
        (record(Starting(1, 3, 999.0)), replace(AT_REST, state="starting")),
        (record(RUNNING, health=Health("healthy")), replace(ALIVE, state="running", ready=True, health="healthy")),
        (
            record(replace(RUNNING, ready_since=None), health=Health("degraded", "not ready: 503")),
            replace(ALIVE, state="running", health="degraded", note="not ready: 503"),
        ),
        (
            record(replace(RUNNING, contact_lost_since=990.0, contact_lost="its container is paused")),
            replace(
                ALIVE,
                state="running",
                ready=True,
                note="contact lost: its container is paused",
                lost="its container is paused",
            ),
        ),
        (record(replace(RUNNING, since=1001.0)), replace(ALIVE, state="running", ready=True, since=5001.0)),
        (record(STOPPING), replace(ALIVE, state="stopping", note="operator asked")),
        (record(replace(STOPPING, cause=SICK)), replace(ALIVE, state="stopping", note="liveness probe failed: 503")),
        (record(Waiting(1, 1002.5, "later")), replace(AT_REST, state="backoff", note="later", retry_at=5002.5)),
        (record(Waiting(1, 999.0, "now")), replace(AT_REST, state="backoff", note="now", retry_at=4999.0)),
        (record(Failed(1, "too often", 1050.0)), replace(AT_REST, state="failed", note="too often", retry_at=5050.0)),
        (record(Failed(1, "never again")), replace(AT_REST, state="failed", note="never again")),
        (
            record(Down(1), death=Death(3, 1.0, Cause("signal"), Exit(signal=11, core=True), 1.0, True, "")),
            replace(AT_REST, exit="SIGSEGV (core dumped)"),
        ),
    ],
    ids=[
        "registered",
        "down",
        "unwanted",
        "held",
        "preparing",
        "starting",
        "running",
        "unready",
        "out-of-sight",
        "just-begun",
        "stopping",
        "stopping-sick",
        "waiting",
        "overdue",
        "failed",
        "failed-for-good",
        "dead",
    ],
)
def test_a_worker_is_seen_as_it_is(worker: Worker, seen: WorkerView) -> None:
    """Every field, in every phase."""
    assert view(worker, NOW) == seen
