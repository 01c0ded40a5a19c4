"""Secrets from this host: fetched anew, within limits, and whatever goes wrong is told without a byte of them."""

import asyncio
import logging
import os
import sys
import traceback
from pathlib import Path

import pytest

from beeyard.adapters import secrets as adapter
from beeyard.adapters.secrets import LocalSecrets
from beeyard.domain.errors import Rejected
from beeyard.domain.master import SecretSource
from beeyard.launcher import kernel
from tests.contract.benches import until

SCRIPT = "import os, sys, time\n"


def python(script: str) -> SecretSource:
    """What a script prints."""
    return SecretSource(command=(sys.executable, "-S", "-c", SCRIPT + script))


async def fetched(source: SecretSource, secrets: LocalSecrets | None = None) -> str:
    """The value of the secret `db`."""
    secrets = secrets or LocalSecrets({})
    secrets.define({"db": source})
    return (await secrets.fetch("db")).reveal()


async def refusal(source: SecretSource, secrets: LocalSecrets | None = None) -> str:
    """Why there is none; the whole error, with all that led to it, holds no poison."""
    with pytest.raises(Rejected) as raised:
        await fetched(source, secrets)
    assert raised.value.code == "secret_unavailable"
    seen = (
        "".join(traceback.format_exception(raised.value)) + repr(raised.value.__context__) + repr(raised.value.fields)
    )
    assert "poison" not in seen.replace("'poison'", "").replace('print("poison"', "")
    return str(raised.value)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" \ng\xc3\xb6\n", " \ngö"),
        (b"x" * 65536 + b"\n", "x" * 65536),
    ],
    ids=["plain", "newline", "of Windows", "two newlines", "blanks", "largest"],
)
async def test_a_file_is_the_secret_without_one_newline(tmp_path: Path, written: bytes, value: str) -> None:
    """Which nearly every editor adds; all else belongs to it."""
    (tmp_path / "db").write_bytes(written)
    assert await fetched(SecretSource(file=str(tmp_path / "db"))) == value


async def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    """A renewed secret needs no word to anybody."""
    secrets = LocalSecrets({})
    for value in ("first", "second"):
        (tmp_path / "db").write_text(value)
        assert await fetched(SecretSource(file=str(tmp_path / "db")), secrets) == value


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", "it is empty; nothing is no secret"),
        (b"\n", "it is empty; nothing is no secret"),
        (b"x" * 65536 + b"\r\npoison", "it has more than 64 KB; that is no secret but a file: let the worker read it"),
        (b"poison" * 20000, "it has more than 64 KB; that is no secret but a file: let the worker read it"),
        (b"poison\xff", "it is no UTF-8, or has a NUL byte; no variable can hold that: let the worker read a file"),
        (b"poison\0", "it is no UTF-8, or has a NUL byte; no variable can hold that: let the worker read a file"),
    ],
    ids=["nothing", "a newline", "a little much", "much", "bytes", "NUL"],
)
async def test_what_no_variable_can_hold_is_refused(tmp_path: Path, written: bytes, reason: str) -> None:
    """Nor does anybody mean to have an empty password."""
    file = tmp_path / "db"
    file.write_bytes(written)
    assert await refusal(SecretSource(file=str(file))) == f"secret db from the file {file}: {reason}"


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Absent, a folder, a pipe into which nobody ever writes."""
    put = "put it there, or name another one under `secrets:`"
    file = tmp_path / "db"
    where = f"secret db from the file {file}: "
    assert await refusal(SecretSource(file=str(file))) == f"{where}no such file or directory; {put}"
    os.mkfifo(file)
    assert await refusal(SecretSource(file=str(file))) == f"{where}it is no regular file; name one that is"
    file.unlink()
    file.mkdir()
    assert await refusal(SecretSource(file=str(file))) == f"{where}is a directory; {put}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_a_file_that_the_master_may_not_read(tmp_path: Path) -> None:
    """Says whose permission it takes."""
    file = tmp_path / "db"
    file.write_text("poison")
    file.chmod(0)
    reason = "the master's user may not read it; let that user, and nobody else"
    assert await refusal(SecretSource(file=str(file))) == f"secret db from the file {file}: {reason}"


async def test_a_file_that_everybody_may_read_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that only a group may read is as it should be."""
    caplog.set_level(logging.WARNING)
    file = tmp_path / "db"
    file.write_text("poison")
    secrets = LocalSecrets({})
    file.chmod(0o640)
    await fetched(SecretSource(file=str(file)), secrets)
    assert caplog.messages == []
    file.chmod(0o644)
    for _ in range(2):
        await fetched(SecretSource(file=str(file)), secrets)
    assert caplog.messages == [f"secret db: every user of this host may read {file}; chmod o-r {file}"]


# --- variables ------------------------------------------------------------------------------------------------------


async def test_a_variable_is_the_secret_as_it_is() -> None:
    """Newlines included."""
    assert await fetched(SecretSource(env="DB"), LocalSecrets({"DB": "hunter2\n"})) == "hunter2\n"


async def test_a_variable_that_is_not_set_or_empty() -> None:
    """A master's environment does not change while it runs."""
    assert await refusal(SecretSource(env="DB")) == (
        "secret db from the variable DB: the master was started without it; go `beeyard down`, and `up` again where it "
        "is set, or take a file"
    )
    assert await refusal(SecretSource(env="DB"), LocalSecrets({"DB": ""})) == (
        "secret db from the variable DB: it is empty; nothing is no secret"
    )


def test_variables_that_hold_secrets_are_withheld_from_workers() -> None:
    """Those of the definitions in force."""
    secrets = LocalSecrets({})
    secrets.define({"a": SecretSource(env="A"), "b": SecretSource(file="/b"), "c": SecretSource(env="C")})
    assert secrets.withheld() == {"A", "C"}
    secrets.define({})
    assert secrets.withheld() == frozenset()


# --- commands -------------------------------------------------------------------------------------------------------


async def test_what_a_command_prints_is_the_secret() -> None:
    """Without one newline, without its complaints, its arguments as they are."""
    assert await fetched(python("print('hunter2'); print('oh', file=sys.stderr)")) == "hunter2"
    assert await fetched(SecretSource(command=("echo", "$HOME; `id` *"))) == "$HOME; `id` *"
    assert await fetched(python("print('x' * 65536)")) == "x" * 65536


async def test_a_command_has_nothing_to_read_and_a_session_of_its_own() -> None:
    """It can't ask on a terminal, nor take the master's signals."""
    assert await fetched(python("print(repr(sys.stdin.read()), os.getsid(0) == os.getpid())")) == "'' True"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ('print("poison", file=sys.stderr); sys.exit(3)', "it ended with code 3"),
        ('print("poison"); sys.exit(3)', "it ended with code 3"),
        ('print("poison", flush=True); os.kill(os.getpid(), 9)', "it ended by SIGKILL"),
        ('print("poison" * 20000)', "it printed more than 64 KB"),
        ('print("poison" * 20000); time.sleep(1000)', "it printed more than 64 KB"),
        ("print()", None),
    ],
)
async def test_a_command_that_fails_says_its_code_and_nothing_else(script: str, reason: str | None) -> None:
    """What it printed on either stream may be the secret."""
    wrong = "it is empty; nothing is no secret"
    if reason:
        wrong = f"{reason}; run it as the master's user: what it complains about is not shown, it may be the secret"
    assert await refusal(python(script)) == f"secret db from the command {sys.executable}: {wrong}"


async def test_a_command_that_is_not_there() -> None:
    """The system's words, and the name of the program alone."""
    assert await refusal(SecretSource(command=("/no/such", "poison"))) == (
        "secret db from the command /no/such: it could not be started: No such file or directory; run it as the "
        "master's user: what it complains about is not shown, it may be the secret"
    )


async def test_a_command_that_takes_too_long_is_ended_with_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a child in a session of its own."""
    pids = tmp_path / "pids"
    script = (
        f"child = os.fork()\nif not child: os.setsid()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(1000)"
    )
    monkeypatch.setattr(adapter, "PATIENCE", 0.5)
    fetching = asyncio.ensure_future(refusal(python(script)))
    await until(lambda: pids.exists() and len(pids.read_text().split()) == 2, "two processes")
    assert "it did not end within 0.5s" in await fetching
    await gone(pids)


async def test_a_cancelled_fetch_ends_its_command(tmp_path: Path) -> None:
    """A worker that is stopped while its secret is fetched leaves nothing behind."""
    pids = tmp_path / "pids"
    fetching = asyncio.ensure_future(
        fetched(python(f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(1e3)"))
    )
    await until(lambda: pids.exists() and pids.read_text(), "a process")
    fetching.cancel()
    await asyncio.wait({fetching})
    assert fetching.cancelled()
    await gone(pids)


async def test_a_helper_that_a_command_leaves_behind_lives_on(tmp_path: Path) -> None:
    """As the agents of password stores do; it holds nothing of ours open."""
    pids = tmp_path / "pids"
    script = (
        f"if os.fork(): print('hunter2'); sys.exit()\nos.setsid(); os.close(1)\n"
        f"open({str(pids)!r}, 'w').write(str(os.getpid()))\ntime.sleep(1000)"
    )
    assert await fetched(python(script)) == "hunter2"
    await until(lambda: pids.exists() and pids.read_text(), "the helper")
    assert alive(pids)
    os.kill(int(pids.read_text()), 9)


async def test_only_so_many_commands_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a boot all workers ask at the same moment."""
    monkeypatch.setattr(adapter, "AT_ONCE", 2)
    secrets = LocalSecrets({})
    script = (
        f"here = {str(tmp_path)!r}; me = here + '/' + str(os.getpid()); open(me, 'w').close()\n"
        "time.sleep(0.05); print(len(os.listdir(here))); os.unlink(me)"
    )
    secrets.define({"db": python(script)})
    seen = await asyncio.gather(*(secrets.fetch("db") for _ in range(6)))
    assert {int(secret.reveal()) for secret in seen} <= {1, 2}


async def test_a_name_that_nobody_defines() -> None:
    """Its definition was dropped, or never made."""
    with pytest.raises(Rejected) as raised:
        await LocalSecrets({}).fetch("db")
    assert str(raised.value) == (
        "there is no secret db any more: name it under `secrets:` in a worker file, and apply that"
    )


def alive(pids: Path) -> list[int]:
    """Those of the processes in a file that have not ended."""
    found = ((int(pid), kernel.stat(int(pid))) for pid in pids.read_text().split())
    return [pid for pid, seen in found if seen is not None and seen.state not in "ZX"]


async def gone(pids: Path) -> None:
    """Wait until none of them is left."""
    await until(lambda: not alive(pids), "all ended")
