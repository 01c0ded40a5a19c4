"""What every provider promises, over the table PROVIDERS and each way a provider has of running workers."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Rejected
from beeyard.domain.messages import Exit, Handle
from beeyard.domain.spec import StopStep
from beeyard.domain.values import Duration, SignalNumber
from beeyard.launcher import kernel
from beeyard.ports.provider import Sight
from tests.contract.benches import BENCHES, ProcessBench, bench, until

TERM = StopStep(SignalNumber(signal.SIGTERM), Duration(10.0))
USR1 = StopStep(SignalNumber(signal.SIGUSR1), Duration(10.0))
WAITING = "echo up; while :; do sleep 0.02; done"
POLITE = f"trap 'exit 7' TERM; {WAITING}"
# A child that leads a session of its own and whose parent is gone: nothing but our tree holds it.
ESCAPED = "setsid sh -c 'sleep 1000 & echo child' & wait $!"


@pytest.fixture(params=[(name, way) for name in PROVIDERS for way in BENCHES[name][1]], ids="-".join)
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """A provider on its bench."""
    name, way = request.param
    async with bench(name, way, tmp_path / "s") as made:
        yield made


def test_every_provider_has_a_bench() -> None:
    """A provider that is new in the table is tested, or this fails."""
    assert set(BENCHES) == set(PROVIDERS)


# --- starting -------------------------------------------------------------------------------------------------------


async def test_launched_twice_it_is_one_process(on: ProcessBench) -> None:
    """`launch` is harmless twice, for the same owner and for the next one."""
    spec = on.spec("exec sleep 1000")
    first = await on.launch(spec)
    assert await on.launch(spec) == first
    await on.another_owner()
    assert await on.launch(spec) == first
    await until(lambda: on.alive() == [first.state["pid"]], "one process")


async def test_the_next_attempt_is_refused_while_the_older_one_lives(on: ProcessBench) -> None:
    """No mistake of an owner can double a worker."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    with pytest.raises(Rejected) as refused:
        await on.launch(spec, 2)
    assert str(refused.value) == f"attempt 1 of worker still runs (pid {handle.state['pid']})"
    await on.provider.terminate("worker", 1, TERM, 1)
    await on.exited()
    second = await on.ready(spec, 2)
    assert second.state["pid"] != handle.state["pid"]


@pytest.mark.parametrize(
    ("content", "mode", "said", "code"),
    [
        (
            "#!/no/such/interpreter\n",
            0o755,
            ": the interpreter named in its first line does not exist",
            "interpreter_not_found",
        ),
        ("\x7fELF nonsense", 0o755, ": Exec format error", "not_executable"),
        ("#!/bin/sh\n", 0o644, ": Permission denied", "permission_denied"),
        (None, 0, ": No such file or directory", "executable_not_found"),
    ],
)
async def test_what_cannot_start_is_rejected_in_words_and_leaves_nothing(
    on: ProcessBench, tmp_path: Path, content: str | None, mode: int, said: str, code: str
) -> None:
    """The text names the file and the reason, the code its kind; a later attempt is none the worse."""
    file = tmp_path / "program"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.program(str(file)))
    assert (str(rejected.value), rejected.value.code) == (f"{file}{said}", code)
    assert await on.provider.list_owned() == []
    await on.ready(on.spec(WAITING), 2)


# --- ending ---------------------------------------------------------------------------------------------------------


async def test_terminated_it_ends_with_its_exact_code(on: ProcessBench) -> None:
    """The step's signal arrives, and the code it makes of it is what is told."""
    await on.ready(on.spec(POLITE))
    await on.provider.terminate("worker", 1, TERM, 1)
    ending = await on.exited()
    assert (ending.code, ending.signal, ending.leftovers) == (7, None, 0)
    assert ending.usage is not None
    assert ending.usage.max_rss > 100_000


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL, signal.SIGRTMIN])
async def test_the_signal_that_ended_it_is_told(on: ProcessBench, signo: int) -> None:
    """A signal is not mistaken for a code."""
    handle = await on.launch(on.program("/bin/sleep", "1000"))
    os.kill(handle.state["pid"], signo)
    ending = await on.exited()
    assert (ending.code, ending.signal, ending.core) == (None, signo, False)


async def test_a_stop_step_taken_twice_is_one_signal(on: ProcessBench) -> None:
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


async def test_kill_ends_the_whole_tree(on: ProcessBench) -> None:
    """Children, those in a session of their own and those without parent included, are gone when the exit is told."""
    await on.ready(on.spec(f"{ESCAPED}; sleep 1000 & {WAITING}"))
    assert len(on.alive()) >= 3
    await on.provider.kill("worker", 1)
    assert (await on.exited()).signal == signal.SIGKILL
    assert on.alive() == []


async def test_what_outlives_an_exit_is_killed_and_counted(on: ProcessBench) -> None:
    """The next attempt must not meet the children of the last one."""
    await on.launch(on.spec(f"{ESCAPED}; exit 3"))
    ending = await on.exited()
    assert (ending.code, ending.leftovers) == (3, 1)
    assert on.alive() == []


async def test_after_a_stop_the_rest_of_the_tree_has_the_time_of_the_stop(on: ProcessBench) -> None:
    """A leader that ends first does not cost its children their own end; the exit is told when they ended too."""
    child = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.02; done"
    handle = await on.ready(on.spec(f'trap "exit 0" TERM; setsid sh -c "{child}" & while :; do sleep 0.02; done'))
    await on.provider.terminate("worker", 1, TERM, 1)
    await until(lambda: handle.state["pid"] not in on.alive())
    assert not on.seen
    number = 1
    while not on.seen:
        number += 1
        await on.provider.terminate("worker", 1, TERM, number)
        await asyncio.sleep(0.01)
    ending = await on.exited()
    await on.provider.drain("worker")
    assert (ending.code, on.lines()) == (0, ["up", "bye"])


async def test_an_exit_is_repeated_to_the_next_owner_until_it_is_destroyed(on: ProcessBench) -> None:
    """The owner may die between hearing of an exit and saving it."""
    await on.launch(on.spec("exit 5"))
    first = await on.exited()
    await on.another_owner()
    assert await on.exited() == first
    for _ in range(2):
        await on.provider.destroy("worker", 1)
    await on.another_owner()
    assert await on.provider.list_owned() == []
    assert on.seen == []


async def test_orders_about_what_is_gone_are_no_errors(on: ProcessBench) -> None:
    """The end may have come first."""
    await on.provider.terminate("worker", 1, TERM, 1)
    await on.provider.kill("worker", 1)
    await on.provider.destroy("worker", 1)
    await on.provider.drain("worker")
    await on.provider.release("worker")
    assert await on.provider.list_owned() == []


async def test_a_living_attempt_is_not_forgotten(on: ProcessBench) -> None:
    """Destroy and release are for what ended."""
    handle = await on.launch(on.program("/bin/sleep", "1000"))
    await on.provider.destroy("worker", 1)
    await on.provider.release("worker")
    assert [(o.attempt, o.handle.state["pid"], o.alive) for o in await on.provider.list_owned()] == [
        (1, handle.state["pid"], True)
    ]


# --- finding --------------------------------------------------------------------------------------------------------


async def test_inspect_tells_running_from_ended_from_missing(on: ProcessBench) -> None:
    """One look at a living attempt, at one that ended, and at one nobody knows."""
    await on.launch(on.spec("exit 4"))
    ending = await on.exited()
    assert ending.code == 4
    await on.launch(on.program("/bin/sleep", "1000"), 2)
    for _ in range(2):
        seen = [await on.provider.inspect("worker", attempt) for attempt in (1, 2, 3)]
        assert [sight.state for sight in seen] == ["ended", "running", "missing"]
        assert seen[0].exit == ending
        await on.another_owner()


async def test_list_owned_shows_the_living_and_the_ended(on: ProcessBench) -> None:
    """An ended attempt stays listed until it is destroyed."""
    handle = await on.launch(on.program("/bin/sleep", "1000", name="living"))
    await on.launch(on.spec("exit 0", name="ended"))
    await on.exited("ended")
    owned = {o.worker: o for o in await on.provider.list_owned()}
    assert {name: (o.attempt, o.alive) for name, o in owned.items()} == {"living": (1, True), "ended": (1, False)}
    assert owned["living"].handle == handle


async def test_the_next_owner_attaches_to_what_runs(on: ProcessBench) -> None:
    """The same process, and its end is told to whoever attached."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    await on.another_owner()
    assert (await on.provider.attach(spec, 1, handle)).state == "running"
    assert (await on.provider.attach(spec, 1, handle)).state == "running"
    await on.provider.terminate("worker", 1, TERM, 1)
    assert (await on.exited()).code == 7


async def test_what_ended_without_an_owner_is_told_to_the_next_exactly(on: ProcessBench) -> None:
    """Whoever runs the workers keeps the exit for the owner that comes."""
    spec = on.spec(POLITE)
    handle = await on.ready(spec)
    await on.leave()
    os.kill(handle.state["pid"], signal.SIGTERM)
    await until(lambda: not on.alive())
    await on.open()
    ending = await on.exited()  # Whatever it started has to be gone as well, and that may take a moment.
    assert await on.provider.attach(spec, 1, handle) == Sight("ended", ending)
    assert ending.code == 7


async def test_nothing_is_attached_to_what_is_gone(on: ProcessBench) -> None:
    """Another process of the same number, and the same process of another boot, are not taken for it."""
    spec = on.program("/bin/sleep", "1000")
    handle = await on.launch(spec)
    for change in ({"start": handle.state["start"] - 1}, {"boot": "another"}, {"namespace": 1}):
        other = Handle(handle.provider, handle.version, {**handle.state, **change})
        stranger = replace(spec, id=f"stranger-{next(iter(change))}")
        assert (await on.provider.attach(stranger, 1, other)).state == "missing"
    assert (await on.provider.attach(spec, 1, handle)).state == "running"


async def test_workers_outlive_what_runs_them(on: ProcessBench) -> None:
    """Contact is lost and found, in this order, with the same process; it can still be ended, and tells its code."""
    handle = await on.ready(on.spec(POLITE))
    await on.hurt()
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"], f"{on.seen}")
    assert handle.state["pid"] in on.alive()
    await on.provider.terminate("worker", 1, TERM, 1)
    ending = await on.exited()
    assert ending.code == 7 or ending.note  # Linux before 6.15 may have nobody left who could tell.
    assert [o.kind for o in on.seen] == ["lost", "found", "exited"]


async def test_a_tree_is_known_to_the_next_that_runs_it(on: ProcessBench) -> None:
    """Killed after what started it died, all of it ends."""
    await on.ready(on.spec(f"{ESCAPED}; {WAITING}"))
    await on.hurt()
    await until(lambda: [o.kind for o in on.seen] == ["lost", "found"])
    await on.provider.kill("worker", 1)
    await on.exited()
    assert on.alive() == []


# --- beside it ------------------------------------------------------------------------------------------------------


async def test_exec_answers_code_and_output(on: ProcessBench) -> None:
    """With the worker's environment, its ports and its folder; both streams; a failing and an absent command too."""
    spec = on.spec(WAITING, environment={"COLOUR": "green"}, working_directory="/usr")
    await on.ready(spec, http=8123)
    script = 'echo "$COLOUR $BEEYARD_PORT_HTTP $BEEYARD_WORKER $PWD"; echo oh >&2; exit 3'
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", script), 10.0)
    assert (answer.code, answer.output, answer.timed_out) == (3, "green 8123 worker /usr\noh\n", False)
    answer = await on.provider.exec(spec, ("true",), 10.0)
    assert (answer.code, answer.output) == (0, "")
    answer = await on.provider.exec(spec, ("/no/such/command",), 10.0)
    assert (answer.code, answer.output) == (None, "/no/such/command: No such file or directory")


async def test_exec_that_takes_too_long_is_ended_with_its_children(on: ProcessBench) -> None:
    """Nothing of it stays, and what it said until then is told."""
    spec = on.program("/bin/sleep", "1000")
    handle = await on.launch(spec)
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", "echo begun; sleep 1000 & sleep 1000"), 0.3)
    assert (answer.code, answer.output, answer.timed_out) == (None, "begun\n", True)
    await until(lambda: on.alive() == [handle.state["pid"]], "only the worker left")


async def test_exec_output_is_bounded(on: ProcessBench) -> None:
    """A command that never stops talking fills nobody's memory."""
    spec = on.program("/bin/sleep", "1000")
    await on.launch(spec)
    answer = await on.provider.exec(spec, ("/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"), 30.0)
    assert (answer.code, answer.output) == (0, "x" * 4096)


async def test_usage_is_of_the_attempts_that_run(on: ProcessBench) -> None:
    """In the order in which was asked; nothing for one that is gone or was never there."""
    await on.ready(on.spec("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo up; exec sleep 1000"))
    await on.ready(on.spec(WAITING, name="other"))
    asked = [("nobody", 1), ("worker", 1), ("worker", 2), ("other", 1)]
    for _ in range(2):
        nobody, worker, later, other = await on.provider.usages(asked)
        assert worker is not None
        assert worker.rss is not None
        assert (worker.cpu > 0, worker.rss > 100_000, worker.processes) == (True, True, 1)
        assert (nobody, later, other is None) == (None, None, False)
    await on.provider.kill("worker", 1)
    await on.exited()
    nobody, worker, later, other = await on.provider.usages(asked)
    assert (nobody, worker, later, other is None) == (None, None, None, False)


async def test_usage_is_of_the_whole_tree(on: ProcessBench) -> None:
    """A leader that only waits does not hide what its children use, the ended ones included."""
    burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
    await on.ready(on.spec(f"({burn}); sleep 1000 & sleep 1000 & echo up; wait"))
    [seen] = await on.provider.usages([("worker", 1)])
    assert seen is not None
    assert (seen.processes, seen.cpu > 0.05) == (3, True)


async def test_usage_grows_with_what_is_used(on: ProcessBench) -> None:
    """Look after look: CPU never less, memory as it is now."""
    grow = "import time; held = b'x' * (32 << 20); print('up', flush=True); time.sleep(1000)"
    run = f"exec {shlex.quote(sys.executable)} -S -c {shlex.quote(grow)}"
    script = f"echo up; while ! test -e grow; do sleep 0.02; done; {run}"
    await on.ready(on.spec(script, working_directory=on.paths.state))
    [before] = await on.provider.usages([("worker", 1)])
    Path(on.paths.state, "grow").touch()
    await until(lambda: on.lines().count("up") == 2)
    [after] = await on.provider.usages([("worker", 1)])
    assert before is not None
    assert after is not None
    assert before.rss is not None
    assert after.rss is not None
    assert after.rss - before.rss > 32 * 1024**2
    assert after.cpu > before.cpu


async def test_describe_says_what_would_run_and_whether_it_is_there(on: ProcessBench) -> None:
    """Without running it."""
    for program, exists in (("/bin/sh", True), ("/no/such/program", False)):
        assert on.provider.describe(on.program(program)) == {
            "executable_path": program,
            "executable_exists": exists,
        }


async def test_after_drain_all_that_was_written_can_be_read(on: ProcessBench) -> None:
    """The last words of a worker that ended are complete, both streams apart."""
    await on.launch(on.spec("seq 20000; echo sorry >&2; exit 1"))
    await on.exited()
    await on.provider.drain("worker")
    assert on.lines() == [str(number) for number in range(1, 20001)]
    assert on.lines(stream="stderr") == ["sorry"]


async def test_released_only_the_logs_are_left(on: ProcessBench) -> None:
    """What was kept for the next attempt is gone; harmless twice; the worker may come again."""
    spec = on.spec("echo up; exit 0")
    await on.ready(spec)
    await on.exited()
    await on.provider.destroy("worker", 1)
    for _ in range(2):
        await on.provider.release("worker")
    assert os.listdir(on.paths.fifo) == []
    assert on.lines() == ["up"]
    await on.ready(spec, 2)
    assert on.lines() == ["up", "up"]


async def test_exits_of_one_worker_are_told_in_order(on: ProcessBench) -> None:
    """Each attempt's exit once, the older first, whatever happens beside it."""
    for attempt in range(1, 6):
        await on.launch(on.spec(f"exit {attempt}"), attempt)
        await on.launch(on.spec("exit 0", name=f"other{attempt}"))
        await on.exited(attempt=attempt)
    told = [(o.attempt, (o.exit or Exit()).code) for o in on.seen if o.worker == "worker"]
    assert told == [(number, number) for number in range(1, 6)]


async def test_many_at_once_each_run_once(on: ProcessBench) -> None:
    """Forty launches without waiting: forty processes, forty exits."""
    names = [f"w{number}" for number in range(40)]
    handles = await asyncio.gather(*(on.launch(on.program("/bin/sleep", "1000", name=name)) for name in names))
    await until(lambda: sorted(on.alive()) == sorted(handle.state["pid"] for handle in handles), "forty processes")
    for name in names:
        await on.provider.kill(name, 1)
    for name in names:
        assert (await on.exited(name)).signal == signal.SIGKILL


# --- before it ------------------------------------------------------------------------------------------------------


async def test_check_names_what_would_keep_a_spec_from_running(on: ProcessBench, tmp_path: Path) -> None:
    """Each problem with its place, all at once, and nothing was started."""
    plain = tmp_path / "plain"
    plain.write_text("")
    problems = on.provider.check(on.program("/no/such/program", working_directory="/no/such/folder"))
    assert [str(problem) for problem in problems] == [
        "run.executable_path: found no file /no/such/program, expected an executable file",
        "run.working_directory: found no folder /no/such/folder, expected an existing folder",
    ]
    if os.access(plain, os.X_OK) is False:
        assert [str(problem) for problem in on.provider.check(on.program(str(plain)))] == [
            f"run.executable_path: found {plain}, not executable, expected an executable file (chmod +x)"
        ]
    assert on.provider.check(on.spec("true")) == []
    assert await on.provider.list_owned() == []


async def test_capabilities_say_by_what_means(on: ProcessBench) -> None:
    """What this host allows, in words that an operator understands."""
    capable = on.provider.capabilities()
    marked = on.way == "marked"
    assert capable.whole_tree_kill.startswith("process group and inherited mark" if marked else "cgroup (")
    assert (capable.user_switching, capable.exact_exits) == (os.geteuid() == 0, True)
    assert kernel.boot_id() == on.client.hello["boot"]
