"""What the spec of a process asks for is what the process has, and nothing of its launcher comes with it."""

import grp
import os
import pwd
import resource
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.execution import read_env_file
from beeyard.domain.errors import Rejected
from beeyard.launcher import kernel
from tests.contract.benches import BENCHES, FILES, ProcessBench, bench

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="switches users: needs root")
SPARES = 3
"""A launcher may keep a process ready for the next start: what is true of the first must be true of the third."""


@pytest.fixture(params=BENCHES["process"][1])
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """The process provider on its bench, its launcher started from a shell that ignores signals."""
    before = {signo: signal.signal(signo, signal.SIG_IGN) for signo in (signal.SIGQUIT, signal.SIGUSR1)}
    try:
        async with bench("process", request.param, tmp_path / "s") as made:
            yield made
    finally:
        for signo, handler in before.items():
            signal.signal(signo, handler)


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def limit(pid: int, name: str) -> list[int]:
    """Soft and hard, from /proc: asking the kernel about another user's process takes a privilege."""
    line = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(name))
    return [int(word) for word in line[len(name) :].split()[:2]]


def ours(mask: str) -> int:
    """The signals of a mask, without the two that the C library keeps for itself."""
    return int(mask, 16) & ~(0b11 << 31)


async def test_arguments_arrive_as_they_are(on: ProcessBench) -> None:
    """Blanks, quotes, line ends, an empty one, and what is no ASCII."""
    args = ["-c", 'for a; do printf "<%s>" "$a"; done', "sh", "a b", "'\"$HOME\\", "line\nend", "", "größe", "-x"]
    await on.launch(on.program("/bin/sh", *args))
    await on.exited()
    await on.provider.drain("worker")
    assert on.yard.log("worker").decode() == "".join(f"<{arg}>" for arg in args[3:])


async def test_its_environment_is_files_then_section_then_ours(on: ProcessBench, tmp_path: Path) -> None:
    """Later wins; ports and the worker's name are there; nothing that Beeyard tells itself."""
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    first.write_text('# words\n\nexport A=first\nB="first and more"\nC=first\n')
    second.write_text("B='second'\n")
    run: dict[str, Any] = {
        "env_file": [str(first), str(second)],
        "environment": {"C": "section", "BEEYARD_WORKER": "lie"},
    }
    handle = await on.ready(on.spec("echo up; exec sleep 1000", **run), 1, **{"http": 8123, "grpc-api": 8124})
    found = {name.decode(): value.decode() for name, value in kernel.environment(handle.state["pid"]).items()}
    assert {name: found[name] for name in "ABC"} == {"A": "first", "B": "second", "C": "section"}
    ours = {name: value for name, value in found.items() if name.startswith("BEEYARD_")}
    assert ours == {
        "BEEYARD_WORKER": "worker",
        "BEEYARD_GROUP": "worker",
        "BEEYARD_ATTEMPT": "1",
        "BEEYARD_PROVIDER": "process",
        "BEEYARD_SOCKET": on.paths.master_socket,
        "BEEYARD_PORT_HTTP": "8123",
        "BEEYARD_PORT_GRPC_API": "8124",
        "BEEYARD_MARK": f"{on.paths.identity}/worker/1",
    }
    assert found["PATH"] == os.environ["PATH"]


async def test_an_env_file_that_cannot_be_used_is_rejected_with_its_place(on: ProcessBench, tmp_path: Path) -> None:
    """The launch says file and line, and not what stands there: it may be a password."""
    wrong = tmp_path / "wrong.env"
    wrong.write_text("A=1\nhunter2\n")
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.spec("true", env_file=[str(wrong)]))
    assert str(rejected.value) == f"env_file {wrong}:2: no assignment, expected NAME=value"
    with pytest.raises(Rejected) as rejected:
        read_env_file(str(tmp_path / "absent.env"))
    assert str(rejected.value) == f"env_file {tmp_path / 'absent.env'}: No such file or directory"


async def test_folder_umask_and_nice_are_as_asked(on: ProcessBench, tmp_path: Path) -> None:
    """And the next worker, that asks for none of them, has none of them."""
    (tmp_path / "folder").mkdir()
    run = {"working_directory": str(tmp_path / "folder"), "umask": 0o027, "nice": 7}
    script = "umask; pwd; echo up; exec sleep 1000"
    plain = [await on.ready(on.spec(script, f"plain{number}")) for number in range(2)]
    asked = await on.ready(on.spec(script, "asked", **run))
    plain += [await on.ready(on.spec(script, f"after{number}")) for number in range(2)]
    pid = asked.state["pid"]
    assert (status(pid)["Umask"], os.getpriority(os.PRIO_PROCESS, pid)) == ("0027", 7)
    assert on.lines("asked")[:2] == ["0027", str(tmp_path / "folder")]
    pids = [handle.state["pid"] for handle in plain]
    assert {(status(pid)["Umask"], os.getpriority(os.PRIO_PROCESS, pid)) for pid in pids} == {
        (status(os.getpid())["Umask"], os.getpriority(os.PRIO_PROCESS, 0))
    }
    assert len({os.readlink(f"/proc/{pid}/cwd") for pid in pids}) == 1, "where it starts depends on who started before"


async def test_a_folder_that_is_gone_is_rejected(on: ProcessBench, tmp_path: Path) -> None:
    """In words, and without harm to the next."""
    with pytest.raises(Rejected) as rejected:
        await on.launch(on.spec("true", working_directory=str(tmp_path / "gone")))
    assert str(tmp_path / "gone") in str(rejected.value)
    assert "No such file or directory" in str(rejected.value)
    await on.ready(on.spec("echo up; exec sleep 1000"), 2)


async def test_limits_are_as_asked_and_else_those_that_the_launcher_got(on: ProcessBench) -> None:
    """Soft and hard; the launcher takes all the descriptors there are for itself, and gives none of that on."""
    before = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("CORE", "NPROC", "STACK")}
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    script = "ulimit -Sn; ulimit -Hn; echo up; exec sleep 1000"
    for number in range(SPARES):
        handle = await on.ready(on.spec(script, f"plain{number}"))
        pid = handle.state["pid"]
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (FILES, hard)
        assert {name: resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}")) for name in before} == before
    limits = {"nofile": [123, 456], "core": [0, 0], "cpu": [1000, 2000], "fsize": [10_000_000, 20_000_000]}
    handle = await on.ready(on.spec(script, "asked", rlimits=limits))
    pid = handle.state["pid"]
    found = {name: list(resource.prlimit(pid, getattr(resource, f"RLIMIT_{name.upper()}"))) for name in limits}
    assert found == limits
    assert on.lines("asked")[:2] == ["123", "456"]
    launcher = on.client.pid()
    assert launcher is not None
    assert resource.prlimit(launcher, resource.RLIMIT_NOFILE) == (hard, hard)


@AS_ROOT
async def test_user_and_groups_are_switched(on: ProcessBench) -> None:
    """User, its group, its supplementary groups; and that user may open its own output again."""
    nobody = pwd.getpwnam("nobody")
    other = next(entry for entry in grp.getgrall() if entry.gr_gid not in (0, nobody.pw_gid))
    script = "echo up > /dev/stdout; echo oh > /dev/stderr; exec sleep 1000"
    for number, asked in enumerate(
        ({"user": "nobody"}, {"user": "nobody", "group": other.gr_name}, {"user": "nobody"})
    ):
        name = f"switched{number}"
        handle = await on.ready(on.spec(script, name, nice=-3, rlimits={"nofile": [50, 60]}, **asked))
        gid = other.gr_gid if "group" in asked else nobody.pw_gid
        seen = status(handle.state["pid"])
        assert seen["Uid"].split() == [str(nobody.pw_uid)] * 4
        assert seen["Gid"].split() == [str(gid)] * 4
        assert set(map(int, seen["Groups"].split())) == set(os.getgrouplist("nobody", gid))
        assert int(seen["CapEff"], 16) == 0
        assert os.getpriority(os.PRIO_PROCESS, handle.state["pid"]) == -3
        assert limit(handle.state["pid"], "Max open files") == [50, 60]
        await on.provider.drain(name)
        assert on.lines(name, "stderr") == ["oh"]
    answer = await on.provider.exec(on.spec(script, "switched0", user="nobody"), ("id", "-un"), 10.0)
    assert (answer.code, answer.output) == (0, "nobody\n")
    as_root = await on.ready(on.spec("echo up; exec sleep 1000", "unswitched"))
    assert status(as_root.state["pid"])["Uid"].split() == ["0"] * 4


@AS_ROOT
async def test_a_worker_may_change_its_user(on: ProcessBench) -> None:
    """The same worker, first as root, then as nobody, then as root again: its output works each time."""
    for attempt, user in enumerate((None, "nobody", None), 1):
        run = {"user": user} if user else {}
        await on.launch(on.spec("echo up > /dev/stdout; id -un", **run), attempt)
        assert (await on.exited(attempt=attempt)).code == 0
        await on.provider.destroy("worker", attempt)
    await on.provider.drain("worker")
    assert on.lines() == ["up", "root", "up", "nobody", "up", "root"]


async def test_nothing_of_the_launcher_comes_with_it(on: ProcessBench) -> None:
    """Three descriptors, an empty input, a session of its own, default signals, none blocked."""
    for number in range(SPARES):
        name = f"w{number}"
        handle = await on.ready(on.spec("wc -c; echo up; exec sleep 1000", name))
        pid = handle.state["pid"]
        assert on.lines(name) == ["0", "up"]
        assert sorted(map(int, os.listdir(f"/proc/{pid}/fd"))) == [0, 1, 2]
        assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
        seen = kernel.stat(pid)
        assert seen is not None
        assert (seen.session, seen.group) == (pid, pid)
        facts = status(pid)
        assert [mask for mask in ("SigBlk", "SigIgn") if ours(facts[mask])] == []
    answer = await on.provider.exec(
        on.spec("true", "w0"), ("/bin/sh", "-c", "ls /proc/self/fd; grep Sig /proc/self/status"), 5
    )
    lines = answer.output.split("\n")
    assert lines[:4] == ["0", "1", "2", "3"]  # 3: the folder that ls reads
    assert [line for line in lines if line.startswith(("SigBlk", "SigIgn")) and ours(line.split()[1])] == []


async def test_a_reader_that_goes_away_ends_a_writer_as_in_a_shell(on: ProcessBench) -> None:
    """SIGPIPE works in a worker's own pipelines, for Python's launcher ignores it and its children must not."""
    await on.launch(on.spec("yes | head -n 1; echo up"))
    assert (await on.exited()).code == 0
    await on.provider.drain("worker")
    assert (on.lines(), on.lines(stream="stderr")) == (["y", "up"], [])


async def test_what_a_pid_file_names_is_taken_over(on: ProcessBench, tmp_path: Path) -> None:
    """A process of the same program that runs already is the worker, and its end is seen."""
    file = tmp_path / "its.pid"
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as stranger:
        try:
            file.write_text(f"{stranger.pid}\n")
            spec = on.program(os.path.realpath("/bin/sleep"), "1000", pid_file=str(file))
            handle = await on.launch(spec)
            assert handle.state["pid"] == stranger.pid
            assert (await on.provider.inspect("worker", 1)).state == "running"
            await on.provider.kill("worker", 1)
            stranger.wait()
            ending = await on.exited()
            assert ending.signal == signal.SIGKILL or ending.note
        finally:
            stranger.kill()
    await on.provider.destroy("worker", 1)
    assert (await on.launch(spec, 2)).state["pid"] != stranger.pid  # The file names nobody any more.


async def test_a_pid_file_that_names_another_program_is_not_believed(on: ProcessBench, tmp_path: Path) -> None:
    """After a reboot the number may be anybody's."""
    file = tmp_path / "its.pid"
    file.write_text(f"{os.getpid()}\n")
    handle = await on.launch(on.program("/bin/sleep", "1000", pid_file=str(file)))
    assert handle.state["pid"] != os.getpid()
