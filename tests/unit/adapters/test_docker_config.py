"""What Docker's config says of a registry, and the programs that it names: good ones, and ones that fail."""

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from beeyard.adapters.images import docker_config
from beeyard.adapters.images.docker_config import Login, login
from beeyard.domain.errors import Unavailable
from tests.yard import eventually

HOST = "registry.example.org:5000"
SECRET = "open sesame"
ANN = base64.b64encode(f"ann:{SECRET}".encode()).decode()

Config = Callable[..., None]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Writes the file."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(**keys: Any) -> None:
        (tmp_path / "config.json").write_text(json.dumps(keys))

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts `docker-credential-ours` on the PATH; `$host` is what it was asked for."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(script: str) -> None:
        program = tmp_path / "docker-credential-ours"
        program.write_text(f"#!/bin/sh\nread host\n{script}\n")
        program.chmod(0o755)

    return write


KNOWS = f"""[ "$1 $host" = "get {HOST}" ] && echo '{{"ServerURL": "", "Username": "ann", "Secret": "{SECRET}"}}'"""
FOUND = Login("ann", SECRET)


@pytest.mark.parametrize(
    "name", [HOST, f"https://{HOST}", f"https://{HOST}/", f"http://{HOST}", f"https://{HOST}/v2/", f"{HOST}/v1/"]
)
async def test_a_registry_is_found_however_it_was_written(config: Config, name: str) -> None:
    """Older versions of Docker wrote URLs; another port is another registry."""
    config(auths={name: {"auth": ANN}, "registry.example.org": {"auth": "eDp5"}})
    assert await login(HOST) == FOUND
    assert await login("registry.example.org:5001") is None


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
async def test_dockers_own_registry_has_one_name(config: Config, host: str) -> None:
    """Whichever of its hosts is asked."""
    config(auths={docker_config.HUB: {"auth": ANN}})
    assert await login(host) == FOUND


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"username": "ann", "password": SECRET}, FOUND),
        ({"auth": ANN, "identitytoken": "t"}, Login(token="t")),
        ({"auth": base64.b64encode(b"ann:a:b").decode()}, Login("ann", "a:b")),
        ({"auth": "no base64"}, None),
        ({"auth": base64.b64encode(b"\xff:x").decode()}, None),
        ({}, None),
    ],
)
async def test_what_stands_beside_a_registry_is_read(config: Config, entry: Any, found: Login | None) -> None:
    """In every way in which Docker writes it; what nobody understands is nothing."""
    config(auths={HOST: entry})
    assert await login(HOST) == found


async def test_without_a_file_nothing_is_known(config: Config) -> None:
    """As for everybody who never logged in."""
    assert await login(HOST) is None


@pytest.mark.parametrize("text", ["{", '{"auths": []}', '{"auths": {"h": {"auth": 1}}}'])
async def test_a_file_that_is_none_is_told(config: Config, tmp_path: Path, text: str) -> None:
    """With its name."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(Unavailable, match=r"credentials for images can't be had from .*config\.json") as caught:
        await login(HOST)
    assert caught.value.code == "credentials_unreadable"


@pytest.mark.parametrize("named", [{"credHelpers": {HOST: "ours"}}, {"credsStore": "ours"}])
async def test_a_helper_is_asked_before_the_file(
    config: Config, helper: Callable[[str], None], named: dict[str, Any]
) -> None:
    """That of the registry, or that of all of them."""
    helper(KNOWS)
    config(auths={HOST: {"auth": "eDp5"}}, **named)
    assert await login(HOST) == FOUND


async def test_the_helper_of_a_registry_comes_before_that_of_all(config: Config, helper: Callable[[str], None]) -> None:
    """And only for that one."""
    helper(KNOWS)
    config(credHelpers={HOST: "ours"}, credsStore="none-such")
    assert await login(HOST) == FOUND
    with pytest.raises(Unavailable, match="from docker-credential-none-such: No such file or directory"):
        await login("other.example.org")


async def test_a_helper_may_give_a_token(config: Config, helper: Callable[[str], None]) -> None:
    """Which stands where the password does."""
    helper("""echo '{"Username": "<token>", "Secret": "t"}'""")
    config(credsStore="ours")
    assert await login(HOST) == Login(token="t")


async def test_a_helper_that_knows_nothing_leaves_it_to_the_file(config: Config, helper: Callable[[str], None]) -> None:
    """It says so in the words that every helper has for it."""
    helper("echo credentials not found in native keychain; exit 1")
    config(credsStore="ours", auths={HOST: {"auth": ANN}})
    assert await login(HOST) == FOUND
    config(credsStore="ours")
    assert await login(HOST) is None


WRONG = {
    "fails": (f"echo {SECRET}; exit 3", "it ended with 3"),
    "speaks rubbish": (f"echo {SECRET}", "nobody understands what it says"),
    "speaks of something else": (f"""echo '{{"Name": "{SECRET}"}}'""", "nobody understands what it says"),
    "never stops": ("exec cat /dev/zero", "it does not stop talking"),
    "hangs": ("sleep 1000", "it did not answer within 0 s"),
}


@pytest.mark.parametrize("how", WRONG)
async def test_a_helper_that_fails_is_told_and_nothing_of_what_it_said(
    config: Config, helper: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It may be a password. The hint says how to see for oneself."""
    if how == "hangs":
        monkeypatch.setattr(docker_config, "PATIENCE", 0.2)
    script, seen = WRONG[how]
    helper(script)
    config(credsStore="ours", auths={HOST: {"auth": ANN}})
    with pytest.raises(Unavailable) as caught:
        await login(HOST)
    assert str(caught.value) == f"the credentials for images can't be had from docker-credential-ours: {seen}"
    assert caught.value.hint == f"`docker-credential-ours get`, with {HOST} as its input, is what was asked"


async def test_a_helper_that_nobody_waits_for_any_more_ends(
    config: Config, helper: Callable[[str], None], tmp_path: Path
) -> None:
    """And what it started with it."""
    helper(f"sleep 1000 & echo $! > {tmp_path}/draft; mv {tmp_path}/draft {tmp_path}/pid; wait")
    config(credsStore="ours")
    asking = asyncio.create_task(login(HOST))
    await asyncio.to_thread(eventually, (tmp_path / "pid").exists, "it hangs")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")

    def gone() -> bool:
        try:
            return stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    await asyncio.to_thread(eventually, gone, "what it started is gone")


@pytest.mark.parametrize("name", ["../../bin/sh", "", "a b"])
async def test_only_a_name_of_a_program_is_run(config: Config, name: str) -> None:
    """The file is somebody's, and no command line."""
    config(credHelpers={HOST: name})
    if name:
        with pytest.raises(Unavailable, match="that is no name of a program"):
            await login(HOST)
    else:
        assert await login(HOST) is None


def test_a_login_shows_nothing_of_itself() -> None:
    """In a log or a traceback."""
    assert SECRET not in repr(FOUND)
