"""The way from workers as they are to workers as a file wishes them: what, why, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from beeyard.domain.differences import between, of_master
from beeyard.domain.errors import Invalid
from beeyard.domain.master import MasterSpec
from beeyard.domain.messages import Handle
from beeyard.domain.plan import Change, Difference, Plan, Stage
from beeyard.domain.planning import diff
from beeyard.domain.scaling import Scaling
from beeyard.domain.sources import Credentials, PackagePolicies, PackagesSpec, RepositorySpec
from beeyard.domain.spec import Backoff, Endpoint, LogSpec, ProbeSpec, RestartPolicy, StopStep, WorkerSpec
from beeyard.domain.values import Duration, SignalNumber, WorkerId
from beeyard.domain.worker import Down, Failed, Phase, Running, Wanted, Worker, new

RUNNING = Running(0, 1, Handle("fake", 1, {"pid": 101}, {}), 0.0, 0.0)


def spec(id: str, **fields: Any) -> WorkerSpec:
    """A worker of the file."""
    run = {"executable_path": "/bin/web", "args": ["a"]}
    return WorkerSpec(**({"id": WorkerId(id), "provider": "process", "run": run, "origin": "FILE"} | fields))


def worker(of: WorkerSpec, phase: Phase = RUNNING, *, up: bool = True) -> Worker:
    """One that runs, but for what is said otherwise."""
    return replace(new(of), phase=phase, wanted=Wanted(on=up), attempt=1)


def told(old: WorkerSpec, **fields: Any) -> list[str]:
    """Each difference on a line."""
    found = between(old, replace(old, **fields))
    return [f"{one.field}: {one.old} → {one.new}" for of in found.values() for one in of]


# --- what -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({"run": {"executable_path": "/bin/web", "args": ["b"]}}, ['execution.args: ["a"] → ["b"]']),
        ({"restart": RestartPolicy(backoff=Backoff(max_retries=3))}, ["restart_policy.max_retries: 5 → 3"]),
        ({"restart": RestartPolicy(backoff=Backoff(max_retries=None))}, ["restart_policy.max_retries: 5 → unlimited"]),
        ({"restart": RestartPolicy(policy="never")}, ["restart_policy.policy: on-failure → never"]),
        ({"enabled": False}, ["enabled: true → false"]),
        ({"depends_on": {"db.1": "ready"}}, ["depends_on.db.1: nothing → ready"]),
        ({"stop": (StopStep(SignalNumber(2)),)}, ["stop.signal: SIGTERM → SIGINT"]),
        ({"stop": (StopStep(wait=Duration(0.25)),)}, ["stop.timeout: 20s → 250ms"]),
        ({"logs": LogSpec(max_files=3)}, ["logs.max_files: 5 → 3"]),
        ({"endpoints": {"http": Endpoint()}}, ["endpoints.http.protocol: nothing → tcp"]),
        (
            {"probes": {"readiness": ProbeSpec("http", target="/up")}},
            ["probes.readiness.http: nothing → /up"],
        ),
        ({"package": "caddy:==2.11"}, ['package: nothing → "caddy:==2.11"']),
        ({"origin": "OTHER"}, ["origin: FILE → OTHER"]),
        (
            {"scaling": Scaling(1, 3, cpu=70.0, down=Duration(60))},
            [
                f"instances.{line}"
                for line in ("min: nothing → 1", "max: nothing → 3", "cpu: nothing → 70%", "down: nothing → 60s")
            ],
        ),
    ],
)
def test_a_difference_is_told_in_the_words_of_the_file(fields: dict[str, Any], lines: list[str]) -> None:
    """The field's path there, both values as they are written there; defaults that nobody wrote are left out."""
    assert told(spec("web"), **fields) == lines


def test_what_may_be_a_password_is_not_told() -> None:
    """That it changed is; a reference to a secret is none itself."""
    old = spec("web", run={"environment": {"KEY": "hunter1", "OLD": "hunter2", "SAME": "x"}})
    probe = ProbeSpec("http", target="http://me:hunter3@host/", headers={"Authorization": "hunter4"})
    run = {"environment": {"KEY": "${secret:key}", "NEW": "hunter5", "SAME": "x"}}
    lines = told(old, run=run, probes={"liveness": probe})
    assert lines == [
        "execution.environment.KEY: [REDACTED] → ${secret:key}",
        "execution.environment.OLD: [REDACTED] → nothing",
        "execution.environment.NEW: nothing → [REDACTED]",
        'probes.liveness.http: nothing → "http://[REDACTED]@host/"',
        "probes.liveness.headers.Authorization: nothing → [REDACTED]",
    ]


LOCAL = RepositorySpec("local", path="/srv/local", trust="unsigned")
HIVE = RepositorySpec("hive", url="https://h", root="/root.json", credentials=Credentials("bee", "${secret:pw}"))


def master(*repositories: RepositorySpec, **policies: Any) -> MasterSpec:
    """One with these repositories and policies."""
    return MasterSpec(packages=PackagesSpec(repositories, PackagePolicies(**policies)))


@pytest.mark.parametrize(
    ("old", "wished", "lines"),
    [
        (master(), master(auto_update=True), ["policies.auto_update: false → true"]),
        (
            master(),
            master(LOCAL),
            ["repositories.local.path: nothing → /srv/local", "repositories.local.trust: nothing → unsigned"],
        ),
        (
            master(LOCAL, HIVE),
            master(replace(HIVE, packages=("caddy",)), LOCAL),
            ['repositories.hive.packages: ["*"] → ["caddy"]'],
        ),
        (
            master(HIVE),
            master(replace(HIVE, credentials=Credentials("ada", "hunter1"))),
            ["repositories.hive.username: bee → ada", "repositories.hive.password: ${secret:pw} → [REDACTED]"],
        ),
        (
            master(replace(HIVE, credentials=Credentials(token="hunter1"))),
            master(replace(HIVE, credentials=Credentials(token="hunter2"))),
            ["repositories.hive.token: [REDACTED] → [REDACTED]"],
        ),
        (master(LOCAL, HIVE), master(HIVE, LOCAL), []),
    ],
)
def test_repositories_are_told_by_their_names_and_without_a_password(
    old: MasterSpec, wished: MasterSpec, lines: list[str]
) -> None:
    """Each key of each; in which order they stand means nothing."""
    found = [f"{told.field}: {told.old} → {told.new}" for told in of_master(old, wished)]
    assert found == [f"package_manager.{line}" for line in lines]


values = st.recursive(st.text("ab", max_size=2) | st.integers(0, 2), lambda inner: st.lists(inner, max_size=2))
sections = st.dictionaries(
    st.sampled_from(["args", "environment", "x y"]), values | st.dictionaries(st.just("A"), values)
)
specs = st.builds(
    spec,
    id=st.just("web"),
    provider=st.sampled_from(["process", "module"]),
    run=sections,
    enabled=st.booleans(),
    endpoints=st.dictionaries(st.just("http"), st.builds(Endpoint, port=st.sampled_from([0, 80])), max_size=1),
    probes=st.dictionaries(
        st.just("liveness"),
        st.builds(
            ProbeSpec,
            means=st.sampled_from(["tcp", "exec", "process"]),
            target=st.sampled_from(["", "80"]),
            command=st.sampled_from([(), ("true",)]),
            period=st.sampled_from([Duration(1.0), Duration(10.0)]),
        ),
    ),
    restart=st.builds(
        RestartPolicy,
        overrides=st.dictionaries(st.just("health"), st.builds(Backoff, max_retries=st.sampled_from([None, 0, 5]))),
    ),
    stop=st.lists(
        st.builds(StopStep, wait=st.sampled_from([Duration(0.0), Duration(20.0)])), min_size=1, max_size=2
    ).map(tuple),
)


@given(specs, specs)
def test_specs_that_differ_have_a_difference_and_only_they(old: WorkerSpec, other: WorkerSpec) -> None:
    """A restart that nobody can explain would be the worst of them."""
    found = between(old, other)
    assert (old == other) == (not found)
    assert all(found.values())


# --- why ------------------------------------------------------------------------------------------------------------

ARGS = {"executable_path": "/bin/web", "args": ["b"]}
SCALES = Scaling(1, 3, cpu=70.0)
RESTING = new(spec("web.3", scaling=SCALES))


@pytest.mark.parametrize(
    ("seen", "fields", "effect", "why"),
    [
        (worker(spec("web")), {"run": ARGS}, "restart", "only a start takes execution.args"),
        (worker(spec("web")), {"logs": LogSpec(max_files=1)}, "keep", "only how it is supervised changes"),
        (worker(spec("web")), {"enabled": False}, "stop", "it is not enabled any more"),
        (worker(spec("web", enabled=False), Down(0), up=False), {"enabled": True}, "start", "it is enabled now"),
        (
            worker(spec("web"), Down(0), up=False),
            {"run": ARGS},
            "keep",
            "it is down, and takes this when it is started",
        ),
        (
            worker(spec("web"), Failed(0, "?")),
            {"logs": LogSpec(max_files=1)},
            "start",
            "it had failed, and is tried again",
        ),
        (RESTING, {"scaling": None}, "start", "its group does not scale any more"),
        (RESTING, {"run": ARGS}, "keep", "it is down, and takes this when it is started"),
        (RESTING, {"scaling": replace(SCALES, max=9)}, "keep", "only how it is supervised changes"),
    ],
)
def test_a_change_says_what_it_does_and_why(seen: Worker, fields: dict[str, Any], effect: str, why: str) -> None:
    """As the lifecycle would have it."""
    plan = diff([replace(seen.spec, **fields)], [seen], "FILE")
    (change,) = plan.changes
    assert (change.effect, change.why) == (effect, why)
    of_it = (seen.id,)
    assert (plan.restart, plan.adjust) == ((of_it, ()) if effect in ("restart", "start") else ((), of_it))


def test_those_that_a_group_does_not_begin_with_are_added_and_not_started() -> None:
    """On standby, after the others."""
    plan = diff([spec(f"web.{number}", scaling=SCALES) for number in (1, 2, 3)], [], "FILE")
    assert plan.order == (Stage("start", ("web.1",)), Stage("add", ("web.2", "web.3")))


def test_only_the_fields_that_take_a_start_are_the_reason_for_it() -> None:
    """The others are told beside them."""
    old = spec("web")
    plan = diff([replace(old, run=ARGS, logs=LogSpec(max_files=1))], [worker(old)], "FILE")
    fields = (Difference("execution.args", '["a"]', '["b"]'), Difference("logs.max_files", "5", "1"))
    assert plan.changes == (Change("web", "restart", "only a start takes execution.args", fields),)


# --- in which order -------------------------------------------------------------------------------------------------


def test_stops_come_first_dependents_before_needs_then_changes_then_starts_level_by_level() -> None:
    """What touches no process comes before all, what is forgotten after all."""
    db, mid = spec("db"), spec("mid", depends_on={"db": "ready"})
    tuned = spec("tuned")
    gone = [spec("gone-1"), spec("gone-2", depends_on={"gone-1": "started"})]
    seen = [worker(one) for one in (tuned, mid, db, *gone)]
    wished = [
        spec("new", depends_on={"mid": "ready"}),
        replace(mid, run=ARGS),
        replace(db, run=ARGS),
        replace(tuned, logs=LogSpec(max_files=1)),
        spec("off", enabled=False),
    ]
    assert diff(wished, seen, "FILE").order == (
        Stage("adjust", ("tuned",)),
        Stage("stop", ("gone-2",)),
        Stage("stop", ("gone-1",)),
        Stage("restart", ("db",)),
        Stage("add", ("off",)),
        Stage("restart", ("mid",)),
        Stage("start", ("new",)),
        Stage("remove", ("gone-1", "gone-2")),
    )


def test_what_is_down_is_forgotten_without_a_stop() -> None:
    """Nor is one that came from elsewhere touched."""
    seen = [worker(spec("gone"), Down(0), up=False), worker(spec("theirs", origin="OTHER"))]
    assert diff([], seen, "FILE") == Plan(remove=("gone",), order=(Stage("remove", ("gone",)),))


def test_a_circle_is_found_before_anything_is_done() -> None:
    """Also where no master was asked."""
    wished = [spec("a", depends_on={"b": "ready"}), spec("b", depends_on={"a": "ready"})]
    with pytest.raises(Invalid, match="a -> b -> a"):
        diff(wished, [], "FILE")
