"""The screen of one worker."""

from collections.abc import Callable

from beeyard.application.views import ModuleView, ScalingView, SupplyView, WorkerDetail, WorkerView
from beeyard.domain.curve import Sample
from beeyard.domain.health import Health
from beeyard.domain.spec import Backoff, RestartPolicy, WorkerSpec
from beeyard.domain.values import WorkerId
from beeyard.entrypoints.cli.detail import Detail, scaled
from beeyard.sdk.report import Offer

NOON = 1_800_000_000.0


def test_show_is_one_readable_screen(worker: Callable[..., WorkerView]) -> None:
    """What it is, what hangs together with it, what was asked for; without what is as by default."""
    spec = WorkerSpec(
        id=WorkerId("web"),
        provider="process",
        run={"executable_path": "/bin/web", "args": ["-x"], "environment": {"A": "b\n"}, "user": ""},
        restart=RestartPolicy(policy="always", backoff=Backoff(max_retries=None)),
    )
    view = WorkerDetail(
        worker=worker("web", since=NOON - 60.0, endpoints={"http": "http://127.0.0.1:1"}),
        spec=spec,
        health=Health("degraded", "readiness probe failed"),
        failures=2,
        last_attempt_at=NOON,
        usage=Sample(NOON, 0.25, 3 * 1024 * 1024),
        runs={"executable_path": "/bin/web", "executable_exists": True},
        waits_for="db to be ready",
        needed_by=["app", "cron"],
        refused={"remove": "it is running"},
        supply=SupplyView("caddy 2.11.4", "0" * 64, "/s/packages/caddy", "checksum"),
    )
    assert Detail(view, NOON).text().splitlines() == [
        "web: running, ready (pid 4711)",
        "  health     degraded: readiness probe failed",
        "  up         1m",
        "  uses       0.25 cores, 3.0 MB",
        "  wanted     up, by /etc/app/beeyard.yaml",
        "  attempt    1; 2 of its ends count towards its restart budget",
        "  package    caddy 2.11.4, unsigned (checksum); in /s/packages/caddy",
        "  runs       executable path: /bin/web; executable exists: yes",
        "  http       http://127.0.0.1:1",
        "  waits for  db to be ready",
        "  needed by  app, cron",
        "  not now    remove: it is running",
        "",
        "Spec",
        "  id: web",
        "  provider: process",
        "  run:",
        "    executable_path: /bin/web",
        '    args: ["-x"]',
        "    environment:",
        "      A: b\\n",
        '    user: ""',
        "  restart:",
        "    policy: always",
        "    backoff:",
        "      max_retries: null",
    ]
    coloured = Detail(view, NOON, colour=True).text()
    assert coloured.startswith("\x1b[1mweb\x1b[0m: ")


def test_a_module_is_told_as_its_host_says(worker: Callable[..., WorkerView]) -> None:
    """What its author says, its counts, its code, what it offers, what went wrong, and what only grows."""
    module = ModuleView(
        name="Echo",
        version="1.2",
        description="says it again",
        author="Ann",
        loaded=NOON - 3600.0,
        asked=NOON - 3.0,
        healthy=False,
        reason="no database",
        offers={"word": Offer("http", "http://127.0.0.1:1"), "Calls": Offer("direct", "Calls")},
        tasks=3,
        threads=1,
        shared=63 * 1024 * 1024,
        uncaught=1,
        last="ValueError: no",
        code="1f2e3d4c5b6a",
        swaps=2,
        refused="no database",
    )
    view = WorkerDetail(
        worker=worker("web"),
        spec=WorkerSpec(id=WorkerId("web"), provider="module", run={}),
        health=Health("healthy"),
        failures=0,
        last_attempt_at=NOON,
        usage=Sample(NOON, 0.25, None),
        runs={},
        waits_for="",
        needed_by=[],
        refused={},
        module=module,
        grows=["tasks only grew for 1h10m, from 3 to 40"],
    )
    rows = Detail(view, NOON).text().splitlines()
    assert (
        "  module     Echo 1.2 by Ann: says it again; loaded 1h ago, unhealthy (no database) 3s ago; "
        "3 tasks, 1 thread; code 1f2e3d4c5b6a, asked to swap 2 times; the last swap was refused: no database; "
        "1 error that nobody caught, the last ValueError: no"
    ) in rows
    offers = [row for row in rows if row.startswith("  offers")]
    assert offers == ["  offers     Calls direct Calls", "  offers     word http http://127.0.0.1:1"]
    assert "  uses       0.25 cores, memory of the master (63 MB with all that runs in it)" in rows
    assert "  grows      tasks only grew for 1h10m, from 3 to 40" in rows


def test_a_group_that_scales_is_told_with_its_last_change() -> None:
    """How many are wanted and ready, within which bounds, what they bear, and why they are so many."""
    group = ScalingView(3, 2, 2, 8, 1, "cpu 60 % of 70 %", "cpu 91 % of 70 %: 3 instances, spares: 1", NOON - 300)
    assert scaled(group, NOON) == (
        "3 wanted, 2 ready; from 2 to 8, spares: 1; cpu 60 % of 70 %;"
        " changed 5m ago: cpu 91 % of 70 %: 3 instances, spares: 1"
    )
    assert scaled(ScalingView(2, 0, 2, 8), NOON) == "2 wanted, 0 ready; from 2 to 8"
