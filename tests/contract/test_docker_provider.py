"""What every provider promises, kept by containers of a real Docker Engine; and what only they have to promise."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from beeyard.adapters.providers.docker.container import name
from beeyard.adapters.providers.docker.engine import unreachable
from beeyard.adapters.providers.docker.where import Where
from beeyard.domain.errors import Rejected, Unavailable
from beeyard.domain.limits import Hold, Limit, Limits
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import Endpoint, StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.ports.provider import Sight
from tests.contract.benches import DockerBench, bench, until
from tests.contract.engines import HOST, docker, image

pytestmark = pytest.mark.needs_docker

TERM = StopStep(SignalNumber(signal.SIGTERM), Duration(10.0))
USR1 = StopStep(SignalNumber(signal.SIGUSR1), Duration(10.0))
WAITING = "echo up; while :; do sleep 0.02; done"
HANGS = "SIGTERM waits: no Docker Engine answers: it hangs"
POLITE = f"trap 'exit 7' TERM; {WAITING}"


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[DockerBench]:
    """The docker provider on its bench."""
    async with bench("docker", "engine", tmp_path / "s") as made:
        assert isinstance(made, DockerBench)
        yield made


# --- starting -------------------------------------------------------------------------------------------------------


async def test_launched_twice_it_is_one_container(on: DockerBench) -> None:
    """`launch` is harmless twice, for the same owner and for the next one."""
    spec = on.spec("exec sleep 1000")
    first = await on.launch(spec, http=8123)
    assert await on.launch(spec, http=8123) == first
    await on.another_owner()
    assert await on.launch(spec, http=8123) == first
    assert on.alive() == [first.state["pid"]]


async def test_the_next_attempt_is_refused_while_the_older_one_lives(on: DockerBench) -> None:
    """No mistake of an owner can double a worker."""
    handle = await on.ready(on.spec(POLITE))
    with pytest.raises(Rejected) as refused:
        await on.launch(on.spec(POLITE), 2)
    assert str(refused.value) == f"attempt 1 of worker still runs (pid {handle.state['pid']})"
    await on.provider.terminate("worker", 1, TERM, 1)
    await on.exited()
    await on.ready(on.spec(POLITE), 2)


async def test_what_cannot_start_is_rejected_in_words_and_leaves_nothing(on: DockerBench) -> None:
    """The text names the image and the reason; a later attempt is none the worse."""
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.program("/no/such/program", init=False))
    assert str(rejected.value).startswith(f"{image()}: ")
    assert "/no/such/program" in str(rejected.value)
    assert await on.provider.list_owned() == []
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={on.paths.identity}") == ""
    await on.ready(on.spec(WAITING), 2)


async def test_a_missing_image_that_may_not_be_pulled_is_rejected(on: DockerBench) -> None:
    """And says what to do."""
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.program("true", image="no-such-image:1", pull="never"))
    assert rejected.value.advised == "there is no image no-such-image:1 here; pull it, or set `pull: missing`"


async def test_a_pull_that_fails_is_rejected_with_the_reason(on: DockerBench) -> None:
    """Nobody listens at that port, and the engine's reason is told."""
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.program("true", image="127.0.0.1:9/nothing:1"))
    assert rejected.value.code == "image_not_pulled"
    assert str(rejected.value).startswith("127.0.0.1:9/nothing:1 can't be pulled: ")
    assert "connection refused" in str(rejected.value)


async def test_a_strangers_container_of_that_name_is_left_alone(on: DockerBench) -> None:
    """A name is no proof: the labels are."""
    called = name(on.paths.identity, "worker", 1)
    docker("create", "--name", called, image(), "true")
    try:
        with pytest.raises(Rejected) as rejected:
            await on.launch(on.spec(WAITING))
        assert str(rejected.value) == f"a container {called} exists that is not Beeyard's"
    finally:
        docker("rm", called)


# --- ending ---------------------------------------------------------------------------------------------------------


async def test_terminated_it_ends_with_its_exact_code(on: DockerBench) -> None:
    """The step's signal arrives, and the code it makes of it is what is told."""
    await on.ready(on.spec(POLITE))
    await on.provider.terminate("worker", 1, TERM, 1)
    assert await on.exited() == Exit(7)


@pytest.mark.parametrize("init", [True, False])
async def test_kill_ends_the_whole_container(on: DockerBench, init: bool) -> None:
    """Children in a session of their own are gone when the exit is told."""
    await on.ready(on.spec(f"setsid sleep 1000 & {WAITING}", init=init))
    await on.provider.kill("worker", 1)
    assert await on.exited() == Exit(signal=signal.SIGKILL)
    assert on.alive() == []


async def test_a_stop_step_taken_twice_is_one_signal(on: DockerBench) -> None:
    """Steps are numbered, so that an owner that woke up may repeat its last one."""
    await on.ready(on.spec("trap 'echo got' USR1; echo up; while :; do sleep 0.02; done"))
    await on.provider.terminate("worker", 1, USR1, 1)
    await until(lambda: "got" in on.lines())
    await on.another_owner()
    await on.provider.terminate("worker", 1, USR1, 1)
    await on.provider.terminate("worker", 1, USR1, 2)
    await until(lambda: on.lines().count("got") == 2)
    await on.provider.kill("worker", 1)
    await on.exited()
    await on.provider.drain("worker")
    assert on.lines() == ["up", "got", "got"]


async def test_an_exit_is_repeated_to_the_next_owner_until_it_is_destroyed(on: DockerBench) -> None:
    """The owner may die between hearing of an exit and saving it."""
    await on.launch(on.spec("exit 5"))
    first = await on.exited()
    await on.another_owner()
    assert await on.exited() == first == Exit(5)
    for _ in range(2):
        await on.provider.destroy("worker", 1)
    await on.another_owner()
    assert await on.provider.list_owned() == []
    assert on.seen == []
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={on.paths.identity}") == ""


async def test_orders_about_what_is_gone_are_no_errors(on: DockerBench) -> None:
    """The end may have come first."""
    await on.provider.terminate("worker", 1, TERM, 1)
    await on.provider.kill("worker", 1)
    await on.provider.destroy("worker", 1)
    await on.provider.drain("worker")
    await on.provider.release("worker")
    assert await on.provider.list_owned() == []


async def test_a_living_attempt_is_not_forgotten(on: DockerBench) -> None:
    """Destroy and release are for what ended."""
    handle = await on.launch(on.program("/bin/sleep", "1000"))
    await on.provider.destroy("worker", 1)
    await on.provider.release("worker")
    assert [(o.attempt, o.handle, o.alive) for o in await on.provider.list_owned()] == [(1, handle, True)]


async def test_out_of_memory_is_told_as_such(on: DockerBench) -> None:
    """The kernel's verdict, and the limit that it was for."""
    limits = Limits({"memory.max_rss": Limit(8 * 1024**2, "immediate_kill")})
    spec = replace(on.program("tail", "/dev/zero", init=False), limits=limits)
    handle = await on.launch(spec)
    assert handle.state["held"] == {"memory": "the container's memory"}
    assert await on.exited() == Exit(signal=signal.SIGKILL, oom=True)


# --- finding --------------------------------------------------------------------------------------------------------


async def test_inspect_tells_running_from_ended_from_missing(on: DockerBench) -> None:
    """One look at a living attempt, at one that ended, and at one nobody knows."""
    await on.launch(on.spec("exit 4"))
    ending = await on.exited()
    await on.launch(on.program("/bin/sleep", "1000"), 2)
    for _ in range(2):
        seen = [await on.provider.inspect("worker", attempt) for attempt in (1, 2, 3)]
        assert seen == [Sight("ended", ending), Sight("running"), Sight("missing")]
        await on.another_owner()


async def test_the_next_owner_attaches_to_what_runs(on: DockerBench) -> None:
    """The same container, and its end is told to whoever attached; another one of that name is not taken for it."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    await on.another_owner()
    other = Handle(handle.provider, handle.version, {**handle.state, "id": "0" * 64})
    assert await on.provider.attach(spec, 1, other) == Sight("missing")
    assert await on.provider.attach(spec, 1, handle) == Sight("running")
    await on.provider.terminate("worker", 1, TERM, 1)
    assert await on.exited() == Exit(7)


async def test_what_ended_without_an_owner_is_told_to_the_next_exactly(on: DockerBench) -> None:
    """The engine keeps the exit for the owner that comes."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    await on.leave()
    docker("stop", handle.state["id"])
    await on.open()
    assert await on.provider.attach(spec, 1, handle) == Sight("ended", Exit(7))
    assert await on.exited() == Exit(7)


async def test_one_removed_by_somebody_else_is_told_as_ended(on: DockerBench) -> None:
    """With what happened in words, whether its code could still be seen or not."""
    handle = await on.ready(on.spec(WAITING))
    docker("rm", "-f", handle.state["id"])
    ending = await on.exited()
    assert ending in (Exit(signal=signal.SIGKILL), Exit(note="its container was removed by somebody else"))
    await on.provider.destroy("worker", 1)
    assert await on.provider.list_owned() == []


async def test_one_renamed_by_somebody_else_is_still_the_same(on: DockerBench) -> None:
    """Names are for making one; what there is, is known by its labels."""
    handle = await on.ready(on.spec(POLITE))
    docker("rename", handle.state["id"], f"stray-{on.paths.identity}")
    for _ in range(2):
        assert await on.provider.inspect("worker", 1) == Sight("running")
        assert await on.launch(on.spec(POLITE)) == handle
        await on.another_owner()
    await on.provider.terminate("worker", 1, TERM, 1)
    assert await on.exited() == Exit(7)
    assert [(one.attempt, one.alive) for one in await on.provider.list_owned()] == [(1, False)]
    await on.provider.destroy("worker", 1)
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={on.paths.identity}") == ""


async def test_a_paused_one_is_lost_until_it_goes_on_and_can_be_stopped(on: DockerBench) -> None:
    """It does not answer, and it did not end."""
    handle = await on.ready(on.spec(POLITE))
    docker("pause", handle.state["id"])
    await until(lambda: [(o.kind, o.reason) for o in on.seen] == [("lost", "its container is paused")], "lost")
    docker("unpause", handle.state["id"])
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"], "found")
    docker("pause", handle.state["id"])
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found", "lost"], "lost again")
    await on.provider.terminate("worker", 1, TERM, 1)
    assert await on.exited() == Exit(7)


@pytest.mark.parametrize("step", ["containers/create", "/start", "/json"])
async def test_an_owner_that_dies_in_the_middle_of_a_launch_leaves_one_container(on: DockerBench, step: str) -> None:
    """Before each of its requests: a conflict of names means that the create worked, and what runs is found."""
    spec = on.spec(WAITING)
    await on.docker._at(Where()).following.ready()
    real = on.docker._at(Where()).engine.ask

    async def dying(method: str, path: str, **fields: Any) -> Any:
        if path.endswith(step):
            raise asyncio.CancelledError
        return await real(method, path, **fields)

    on.docker._at(Where()).engine.ask = dying  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await on.launch(spec)
    await on.another_owner()
    assert await on.provider.inspect("worker", 1) == Sight("running" if step == "/json" else "missing")
    handle = await on.launch(spec)
    await until(lambda: on.lines() == ["up"], "up, once")
    assert on.alive() == [handle.state["pid"]]


async def test_what_was_made_and_never_started_is_swept_after_a_while(
    on: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: somebody may be about to start it."""
    await on.docker._at(Where()).following.ready()
    labels = {"owner": on.paths.identity, "worker": "worker", "attempt": "1", "created": f"{time.time():.3f}"}
    words = [word for key, value in labels.items() for word in ("--label", f"beeyard.{key}={value}")]
    made = docker("create", *words, image(), "true")
    await on.docker._at(Where()).following.watching._look()
    assert docker("ps", "-aq", "--no-trunc", "--filter", f"id={made}") == made
    monkeypatch.setattr("beeyard.adapters.providers.docker.following.GRACE", 0.0)
    await on.docker._at(Where()).following.watching._look()
    assert docker("ps", "-aq", "--filter", f"id={made}") == ""


async def test_a_lost_event_is_found_by_the_next_list(on: DockerBench) -> None:
    """Events are for speed only."""
    handle = await on.ready(on.spec(WAITING))

    async def deaf(event: object) -> None:
        """Lose it."""

    on.docker._at(Where()).following.watching._happened = deaf
    docker("kill", handle.state["id"])
    await on.docker._at(Where()).following.watching._look()
    assert await on.exited() == Exit(signal=signal.SIGKILL)


async def test_one_engine_of_two_names_is_looked_after_once(on: DockerBench) -> None:
    """Whoever follows it by the one name leaves what was started by the other alone, also as the next owner."""
    specs = [on.spec(POLITE, name="usual"), on.spec(POLITE, name="named", host=HOST)]
    handles = [await on.ready(spec) for spec in specs]
    await on.another_owner()
    for spec, handle in zip(specs, handles, strict=True):
        assert await on.provider.attach(spec, 1, handle) == Sight("running")
    assert sorted(owned.worker for owned in await on.provider.list_owned()) == ["named", "usual"]
    for spec in specs:
        await on.provider.terminate(spec.id, 1, TERM, 1)
        assert await on.exited(spec.id) == Exit(7)
        await on.provider.drain(spec.id)
        assert on.lines(spec.id) == ["up"]
        await on.provider.destroy(spec.id, 1)
    assert [o.worker for o in on.seen if o.kind == "exited"] == ["usual", "named"]
    assert docker("ps", "-aq", "--filter", f"label=beeyard.owner={on.paths.identity}") == ""


# --- what it is given -----------------------------------------------------------------------------------------------


async def test_every_field_is_honoured(on: DockerBench, tmp_path: Path) -> None:
    """The engine says so when it is asked, and the container when it looks around."""
    (tmp_path / "shared").mkdir()
    spec = on.spec(
        "echo up; exec sleep 1000",
        environment={"COLOUR": "green"},
        volumes={"/shared": {"path": str(tmp_path / "shared"), "read_only": True}, "/kept": {"volume": "beeyard-test"}},
        tmpfs={"/scratch": 1024**2},
        user="1000:1000",
        working_directory="/scratch",
        read_only=True,
        drop_capabilities=["ALL"],
        add_capabilities=["NET_BIND_SERVICE"],
        labels={"team": "bees"},
        ports={"http": 80},
    )
    limits = {
        "memory.max_rss": Limit(64 * 1024**2, "immediate_kill"),
        "memory.max_swap": Limit(16 * 1024**2, "throttle"),
        "cpu.max_cores": Limit(0.5, "throttle"),
        "process.max_processes": Limit(20, "throttle"),
        "process.max_file_descriptors": Limit(100, "throttle"),
    }
    spec = replace(spec, limits=Limits(limits, cpu_shares=512), endpoints={"http": Endpoint()})  # type: ignore[arg-type]
    assert on.docker.check(spec) == []
    try:
        handle = await on.ready(spec, http=18123)
        [seen] = [await on.docker._at(Where()).engine.ask("GET", f"containers/{handle.state['id']}/json")]
        host, config = seen["HostConfig"], seen["Config"]
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 * 1024**2, 500_000_000, 20)
        assert (host["MemorySwap"], host["CpuShares"]) == (80 * 1024**2, 512)
        assert host["Ulimits"] == [{"Name": "nofile", "Hard": 100, "Soft": 100}]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], ["NET_BIND_SERVICE"])
        assert host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18123"}]}
        assert (config["User"], config["WorkingDir"], config["Labels"]["team"]) == ("1000:1000", "/scratch", "bees")
        assert {mount["Destination"]: mount["RW"] for mount in seen["Mounts"]} == {"/shared": False, "/kept": True}
        script = "echo $COLOUR $BEEYARD_PORT_HTTP $PWD $(id -u) $(ulimit -n); touch /x /shared/x; df -k /scratch"
        answer = await on.provider.exec(spec, ("/bin/sh", "-c", script), 10.0)
        assert "green 80 /scratch 1000 100\n" in answer.output
        assert answer.output.count("Read-only file system") == 2
        assert " 1024 " in answer.output
        held = await on.provider.hold("worker", 1, Hold(memory=32 * 1024**2, processes=30))
        assert held is not None
        host = (await on.docker._at(Where()).engine.ask("GET", f"containers/{handle.state['id']}/json"))["HostConfig"]
        assert (host["Memory"], host["PidsLimit"]) == (32 * 1024**2, 30)
    finally:
        await on.provider.kill("worker", 1)
        await on.exited()
        await on.provider.destroy("worker", 1)
        docker("volume", "rm", "-f", "beeyard-test")


async def test_a_port_of_the_host_leads_into_the_container(on: DockerBench) -> None:
    """The endpoint's port, and the one that the program listens on."""
    spec = on.spec("echo up; exec nc -ll -p 7000 -e echo hello", ports={"tcp": 7000})
    await on.ready(replace(spec, endpoints={"tcp": Endpoint()}), tcp=18124)

    async def greeted() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", 18124)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async with asyncio.timeout(15):
        while await greeted() != b"hello\n":
            pass


# --- beside it ------------------------------------------------------------------------------------------------------


async def test_exec_answers_code_and_output(on: DockerBench) -> None:
    """With the worker's environment and folder; both streams; a failing and an absent command too."""
    spec = on.spec(WAITING, environment={"COLOUR": "green"}, working_directory="/tmp")
    await on.ready(spec)
    script = 'echo "$COLOUR $BEEYARD_WORKER $PWD"; sleep 0.1; echo oh >&2; exit 3'
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", script), 10.0)
    assert (answer.code, answer.output, answer.timed_out) == (3, "green worker /tmp\noh\n", False)
    answer = await on.provider.exec(spec, ("/no/such/command",), 10.0)
    assert (answer.code, answer.output) == (None, "/no/such/command: No such file or directory")


async def test_exec_that_takes_too_long_is_ended_with_its_children(on: DockerBench) -> None:
    """Nothing of it stays, and what it said until then is told."""
    spec = on.program("/bin/sleep", "1000")
    handle = await on.launch(spec)
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", "echo begun; sleep 1000 & sleep 1000"), 0.5)
    assert (answer.code, answer.output, answer.timed_out) == (None, "begun\n", True)
    await until(lambda: docker("top", handle.state["id"]).count("sleep") == 2, "only init and the worker left")


async def test_exec_output_is_bounded(on: DockerBench) -> None:
    """A command that never stops talking fills nobody's memory."""
    spec = on.program("/bin/sleep", "1000")
    await on.launch(spec)
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"), 30.0)
    assert (answer.code, answer.output) == (0, "x" * 4096)


async def test_usage_is_of_the_attempts_that_run(on: DockerBench) -> None:
    """In the order in which was asked; nothing for one that is gone or was never there; children count."""
    burn = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000 & echo up; exec sleep 1000"
    await on.ready(on.spec(burn))
    nobody, worker, later = await on.provider.usages([("nobody", 1), ("worker", 1), ("worker", 2)])
    assert worker is not None
    assert (worker.cpu > 0.01, worker.rss is not None and worker.rss > 10_000, worker.processes) == (True, True, 3)
    assert (nobody, later) == (None, None)
    await on.provider.kill("worker", 1)
    await on.exited()
    assert await on.provider.usages([("worker", 1)]) == [None]


async def test_where_no_control_group_can_be_read_the_engine_is_asked(
    on: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells the same, but for the time that passes."""
    await on.ready(on.spec("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo up; exec sleep 1000"))
    [read] = await on.provider.measure([("worker", 1)])
    monkeypatch.setattr("beeyard.adapters.providers.docker.cgroups.find", lambda pid, container: {})
    await on.another_owner()
    await on.provider.list_owned()
    [told] = await on.provider.measure([("worker", 1)])
    assert read is not None
    assert told is not None
    assert (told.rss, told.processes) == (read.rss, read.processes)
    assert read.cpu <= told.cpu < read.cpu + 0.5


# --- what it writes -------------------------------------------------------------------------------------------------


async def test_after_drain_all_that_was_written_can_be_read(on: DockerBench) -> None:
    """The last words of one that ended are complete, both streams apart; they stay when its container is gone."""
    await on.launch(on.spec("seq 20000; echo sorry >&2; exit 1"))
    await on.exited()
    await on.provider.drain("worker")
    await on.provider.destroy("worker", 1)
    assert on.lines() == [str(number) for number in range(1, 20001)]
    assert on.lines(stream="stderr") == ["sorry"]


async def test_what_is_no_text_comes_through_as_it_is(on: DockerBench) -> None:
    """Bytes are bytes; a line of more than the engine takes at once is one line."""
    await on.launch(on.spec("printf '\\377\\000\\376\\n'; head -c 40000 /dev/zero | tr '\\0' y; echo; exit 0"))
    await on.exited()
    await on.provider.drain("worker")
    assert on.yard.log("worker") == b"\xff\x00\xfe\n" + b"y" * 40000 + b"\n"


async def test_no_line_is_lost_or_doubled_whenever_owners_die(on: DockerBench) -> None:
    """Each owner goes on where the one before it was, whatever it had noted."""
    spec = on.spec("i=0; while [ $i -lt 3000 ]; do echo $i; echo e$i >&2; i=$((i+1)); done; exec sleep 1000")
    await on.launch(spec)
    for share in (200, 900, 1700, 2500):
        await until(lambda share=share: len(on.lines()) > share, "some lines")  # type: ignore[misc]
        await on.another_owner()
    await until(lambda: len(on.lines()) >= 3000 and len(on.lines(stream="stderr")) >= 3000, "all lines")
    await on.provider.drain("worker")
    assert on.lines() == [str(number) for number in range(3000)]
    assert on.lines(stream="stderr") == [f"e{number}" for number in range(3000)]


async def test_many_at_once_each_run_once(on: DockerBench) -> None:
    """Fifty launches without waiting: fifty containers, fifty exits."""
    names = [f"w{number}" for number in range(50)]
    handles = await asyncio.gather(*(on.launch(on.program("/bin/sleep", "1000", name=name)) for name in names))
    assert sorted(on.alive()) == sorted(handle.state["pid"] for handle in handles)
    await asyncio.gather(*(on.provider.kill(name, 1) for name in names))
    for name_ in names:
        assert (await on.exited(name_)).signal == signal.SIGKILL


# --- before it ------------------------------------------------------------------------------------------------------


async def test_check_names_what_would_keep_a_spec_from_running(on: DockerBench) -> None:
    """Each problem with its place, all at once, and nothing was started."""
    spec = on.spec("true", volumes={"/a": {"path": "/no/such"}, "/b": {}}, networks=["host", "other"], ports={"web": 1})
    limits = Limits({"io.max_read_bps": Limit(1000, "throttle"), "memory.max_rss": Limit(1024, "immediate_kill")})
    problems = on.docker.check(replace(spec, limits=limits))
    assert [problem.path for problem in problems] == [
        "run.volumes./a.path",
        "run.volumes./b",
        "run.networks",
        "run.ports.web",
        "limits.io.max_read_bps",
        "limits.memory.max_rss",
    ]
    assert on.docker.check(on.spec("true")) == []
    assert await on.provider.list_owned() == []


async def test_without_an_engine_the_check_says_what_to_do(on: DockerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is tried."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{on.paths.state}/none.sock")
    assert [str(problem) for problem in on.docker.check(on.spec("true"))] == [
        f"provider: found docker, but no Docker Engine answers, expected one at {on.paths.state}/none.sock"
        " (install Docker and start its engine, or say with DOCKER_HOST where it is)"
    ]
    assert os.path.isdir(on.paths.state)


# --- without it -----------------------------------------------------------------------------------------------------


class Between:
    """A socket in front of the engine's own, which can be shut: what an engine that goes away looks like."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._engine = HOST.removeprefix("unix://")
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """From now on it answers."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def shut(self) -> None:
        """From now on it does not, and who talked to it is cut off."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        os.unlink(self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._engine)
        self._writers |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)
        self._writers -= {writer, back}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Between]:
    """One that answers, through which all go that look for the engine."""
    made = Between(str(tmp_path / "between.sock"))
    await made.open()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made.path}")
    yield made
    if os.path.exists(made.path):
        await made.shut()


async def test_workers_outlive_contact_with_the_engine(between: Between, on: DockerBench) -> None:
    """Lost, then found; what ended meanwhile is told with its code, and no line is missing or doubled."""
    script = "i=0; while [ $i -lt 100 ]; do echo $i; sleep 0.02; i=$((i+1)); done; exec sleep 1000"
    await on.launch(on.spec(script))
    handle = await on.ready(on.spec(POLITE, name="other"))
    await until(lambda: len(on.lines()) > 10, "some lines")
    await between.shut()
    await until(lambda: sorted((o.worker, o.kind) for o in on.seen) == [("other", "lost"), ("worker", "lost")], "lost")
    os.kill(_child(handle.state["pid"]), signal.SIGTERM)
    await between.open()
    assert await on.exited("other") == Exit(7)
    await until(lambda: "found" in [o.kind for o in on.seen if o.worker == "worker"], "found")
    await until(lambda: len(on.lines()) >= 100, "all lines")
    assert on.lines() == [str(number) for number in range(100)]


async def test_an_order_waits_for_the_engine_while_its_worker_is_lost(between: Between, on: DockerBench) -> None:
    """Stop and kill are carried out when there is contact again, each once; nobody has to order them anew."""
    await on.ready(on.spec("trap 'echo got' TERM; echo up; while :; do sleep 0.02; done"))
    await between.shut()
    step = asyncio.ensure_future(on.provider.terminate("worker", 1, TERM, 1))
    await until(lambda: [o.kind for o in on.seen] == ["lost"], "lost")
    assert not step.done()
    await between.open()
    await asyncio.wait_for(step, 30)
    await until(lambda: on.lines() == ["up", "got"], "the signal")
    assert [o.kind for o in on.seen] == ["lost", "found"]
    await on.provider.kill("worker", 1)
    assert await on.exited() == Exit(signal=signal.SIGKILL)


async def test_an_engine_that_answers_no_order_is_told_as_lost(on: DockerBench) -> None:
    """Its events may go on all the while; the order is carried out when it answers again."""
    await on.ready(on.spec(POLITE))
    place = on.docker._at(Where())
    real = place.engine.ask

    async def silent(method: str, path: str, **fields: Any) -> Any:
        raise unreachable("it hangs")

    place.engine.ask = silent  # type: ignore[method-assign]
    step = asyncio.ensure_future(on.provider.terminate("worker", 1, TERM, 1))
    await until(lambda: [(o.kind, o.reason) for o in on.seen] == [("lost", HANGS)], "lost")
    place.engine.ask = real  # type: ignore[method-assign]
    await asyncio.wait_for(step, 30)
    assert await on.exited() == Exit(7)


async def test_an_owner_that_wakes_without_an_engine_hears_of_its_workers_later(
    between: Between, on: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be unreachable is an error, and no word on whether it runs; what became of it is told when that is known."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    gone = on.spec("exit 3", name="gone")
    lost = await on.launch(gone)
    await on.exited("gone")
    await on.provider.destroy("gone", 1)
    await on.leave()
    await between.shut()
    monkeypatch.setattr("beeyard.adapters.providers.docker.following.PATIENCE", 0.1)
    await on.open()
    for asked, known in ((spec, handle), (gone, lost)):
        with pytest.raises(Unavailable) as unavailable:
            await on.provider.attach(asked, 1, known)
        assert unavailable.value.code == "engine_unreachable"
    with pytest.raises(Unavailable):
        await on.provider.inspect("worker", 1)
    await between.open()
    await until(lambda: [o.kind for o in on.seen if o.worker == "worker"] == ["found"], "found")
    assert await on.exited("gone") == Exit(note="its container was removed by somebody else")


def _child(pid: int) -> int:
    """The program below the container's first process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
