"""A worker has its secrets in its environment, and nobody else has them anywhere."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from beeyard.domain.errors import Problem, Rejected, Unavailable
from beeyard.domain.master import SecretSource
from beeyard.domain.spec import WorkerSpec
from beeyard.launcher import kernel
from tests.contract.benches import BENCHES, ProcessBench, bench

SPARES = 3
"""A launcher may keep a process ready for the next start: what is true of the first must be true of the third."""
ENVIRONMENT = {"DSN": "u:${secret:db}@h", "KEY": "${secret:key}", "PLAIN": "$${secret:db}"}
LOOP = "echo up; exec sleep 1000"


@pytest.fixture(params=BENCHES["process"][1])
async def on(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessBench]:
    """The process provider on its bench, and two secrets."""
    async with bench("process", request.param, tmp_path / "s") as made:
        made.secrets.define({"db": SecretSource(file="/db"), "key": SecretSource(env="KEY")})
        made.secrets.values = {"db": "hünter\n2", "key": "k"}
        yield made


def worker(on: ProcessBench, name: str = "worker", script: str = LOOP) -> WorkerSpec:
    """One that refers to both."""
    return on.spec(script, name, environment=ENVIRONMENT)


async def test_references_are_filled_in_as_it_starts(on: ProcessBench) -> None:
    """With the values of that moment, and in the environment alone; what says that it is no reference is none."""
    for number in range(SPARES):
        on.secrets.values["key"] = f"k{number}"
        pid = (await on.ready(worker(on, f"w{number}"))).state["pid"]
        found = {name.decode(): value.decode() for name, value in kernel.environment(pid).items()}
        assert {name: found[name] for name in ENVIRONMENT} == {
            "DSN": "u:hünter\n2@h",
            "KEY": f"k{number}",
            "PLAIN": "${secret:db}",
        }
        assert "hünter" not in Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_secret_that_cannot_be_had_is_a_launch_that_fails(on: ProcessBench) -> None:
    """In the words of its source, so that the restart policy decides; nothing was started."""
    del on.secrets.values["db"]
    with pytest.raises(Rejected) as rejected:
        await on.launch(worker(on))
    assert (rejected.value.code, str(rejected.value)) == ("secret_unavailable", "secret db can't be had")
    assert on.alive() == []
    on.secrets.values["db"] = "again"
    await on.ready(worker(on), 2)


async def test_an_attempt_that_runs_is_found_though_its_secret_is_gone(on: ProcessBench) -> None:
    """Its master died before it could save that it runs; the next one asks for the same launch."""
    handle = await on.ready(worker(on))
    secrets = on.secrets
    await on.another_owner()
    on.secrets.define(secrets.sources)
    again = await on.launch(worker(on))
    assert again.state == handle.state
    assert on.yard.leaders("worker") == [handle.state["pid"]]


async def test_a_command_beside_a_worker_has_the_workers_values(on: ProcessBench) -> None:
    """Those with which it was started, also for the next owner: nobody fetches a secret at each probe."""
    await on.ready(worker(on))
    command = ("/bin/sh", "-c", 'echo "$DSN $KEY $PLAIN"')
    fetched = list(on.secrets.fetched)
    on.secrets.values["key"] = "renewed"
    assert (await on.provider.exec(worker(on), command, 10)).output == "u:hünter\n2@h k ${secret:db}\n"
    assert on.secrets.fetched == fetched


async def test_where_they_cannot_be_read_they_are_fetched(on: ProcessBench) -> None:
    """A worker may hide its environment; it is not to blame for a secret that can't be had."""
    await on.ready(worker(on, script="unset DSN KEY; exec /bin/sh -c 'echo up; sleep 1000'"))
    command = ("/bin/sh", "-c", 'echo "$KEY"')
    assert (await on.provider.exec(worker(on), command, 10)).output == "k\n"
    del on.secrets.values["key"]
    with pytest.raises(Unavailable, match=r"^secret key can't be had$"):
        await on.provider.exec(worker(on), command, 10)


async def test_variables_that_hold_secrets_are_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was not given a secret has none, though the launcher, which they are started by, has it."""
    monkeypatch.setenv("BEE_TEST_KEY", "poison")
    monkeypatch.setenv("BEE_TEST_PLAIN", "plain")
    async with bench("process", "born", tmp_path / "s") as on:
        on.secrets.define({"key": SecretSource(env="BEE_TEST_KEY")})
        for number in range(SPARES):
            pid = (await on.ready(on.spec(LOOP, f"w{number}"))).state["pid"]
            found = kernel.environment(pid)
            assert (found.get(b"BEE_TEST_KEY"), found.get(b"BEE_TEST_PLAIN")) == (None, b"plain")
        answer = await on.provider.exec(on.spec(LOOP, "w0"), ("/bin/sh", "-c", "env"), 10)
        assert "poison" not in answer.output
        assert "BEE_TEST_PLAIN=plain" in answer.output


async def test_check_and_secrets_tell_what_a_spec_refers_to(tmp_path: Path) -> None:
    """With the place; what looks like a reference and is none is a problem."""
    async with bench("process", "born", tmp_path / "s") as on:
        spec = on.spec("true", environment=ENVIRONMENT | {"A": os.sep})
        assert on.provider.check(spec) == []
        assert on.provider.secrets(spec) == {"db": "run.environment.DSN", "key": "run.environment.KEY"}
        assert on.provider.check(on.spec("true", environment={"A": "${secret:a b}"})) == [
            Problem(
                "run.environment.A",
                "a reference to no secret",
                "${secret:NAME}, NAME being 1 to 64 letters, digits, '_' or '-'",
            )
        ]
