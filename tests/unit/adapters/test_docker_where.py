"""Where an engine is: found in the order in which the `docker` command looks, and spoken to as it does."""

import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from beeyard.adapters.providers.docker.engine import Engine, absent
from beeyard.adapters.providers.docker.section import DockerSection
from beeyard.adapters.providers.docker.ssh import argv
from beeyard.adapters.providers.docker.where import Address, Where, find
from beeyard.domain.errors import Unavailable
from beeyard.domain.plain import Mismatch, read
from tests.certificates import Authority

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a context into Docker's config, of which there is none; the folder of its certificates."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setattr("beeyard.adapters.providers.docker.where.SOCKETS", (str(tmp_path / "usual.sock"),))
    monkeypatch.setenv("HOME", str(tmp_path))

    def context(name: str, host: str, **more: Any) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = folder / "contexts/meta" / digest
        meta.mkdir(parents=True)
        written = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, **more}}}
        (meta / "meta.json").write_text(json.dumps(written))
        return folder / "contexts/tls" / digest / "docker"

    return context


def test_it_is_looked_for_in_the_order_of_the_docker_command(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker file, DOCKER_HOST, DOCKER_CONTEXT, the current context, the usual socket; each hides all after it."""
    found = [find(Where()).url]
    for name in ("current", "named", "said"):
        write(name, f"unix:///{name}.sock")
    (tmp_path / "docker/config.json").write_text('{"currentContext": "current"}')
    found.append(find(Where()).url)
    monkeypatch.setenv("DOCKER_CONTEXT", "named")
    found.append(find(Where()).url)
    monkeypatch.setenv("DOCKER_HOST", "unix:///host.sock")
    found.append(find(Where()).url)
    found.append(find(Where(context="said")).url)
    found.append(find(Where(host="unix:///file.sock", context="said")).url)
    names = (f"{tmp_path}/usual", "/current", "/named", "/host", "/said", "/file")
    assert found == [f"unix://{name}.sock" for name in names]


def test_tls_is_for_who_asks_for_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, or by a context with certificates; then the port is another one."""
    assert find(Where("tcp://10.0.0.1")) == Address("http://10.0.0.1:2375")
    assert find(Where("tcp://[::1]")) == Address("http://[::1]:2375")
    folder = write("safe", "tcp://10.0.0.2:99")
    folder.mkdir(parents=True)
    assert find(Where(context="safe")) == Address("https://10.0.0.2:99", str(folder))
    write("blind", "tcp://10.0.0.3", SkipTLSVerify=True)
    assert (find(Where(context="blind")).url, find(Where(context="blind")).verified) == ("https://10.0.0.3:2376", False)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certs")
    assert find(Where("tcp://10.0.0.1")) == Address("https://10.0.0.1:2376", "/certs")


def test_what_says_nothing_is_said(write: Write) -> None:
    """A context that is not there is a problem of the worker, before anything is tried."""
    with pytest.raises(Unavailable) as unknown:
        find(Where(context="nowhere"))
    assert unknown.value.advised == "there is no Docker context nowhere; `docker context ls` lists the contexts"
    [problem] = absent(Where(context="nowhere"))
    assert problem.found == "docker, but there is no Docker context nowhere"
    assert absent(Where("ssh://bee@hive2")) == []


@pytest.mark.parametrize(
    "host",
    ["tcp://hive2:99999", "tcp://hive2:2222x", "tcp://[::1", "ssh://bee@hive2:2222x", "ssh://bee@hive2:99999"],
)
async def test_what_is_no_address_is_said(write: Write, host: str) -> None:
    """Before anything is tried, and to whoever tries all the same: nothing ends with it."""
    assert read({"image": "x", "host": host}, DockerSection, "run").where == Where(host)
    [problem] = absent(Where(host))
    assert problem.path == "run.host"
    assert "is no address of an engine" in problem.found
    with pytest.raises(Unavailable):
        await asked(Where(host))


async def test_an_address_that_nobody_can_use_is_said_when_it_is_tried(write: Write) -> None:
    """Names that can't be looked up look like others."""
    with pytest.raises(Unavailable):
        await asked(Where("tcp://é..x:1"))


@pytest.mark.parametrize("host", ["http://x", "ssh://bee:honey@x", "ssh://-oProxyCommand=x", "tcp://", "unix://rel"])
def test_a_host_is_an_address_without_a_password(host: str) -> None:
    """Nothing that ssh could take for an option, and nothing to be shown by accident."""
    with pytest.raises(Mismatch):
        read({"image": "x", "host": host}, DockerSection, "run")
    assert read({"image": "x", "host": "ssh://bee@hive2:22/run/x.sock"}, DockerSection, "run").where.plain


def test_ssh_is_asked_as_the_docker_command_asks_it() -> None:
    """It never asks back."""
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15", "-T"]
    assert argv("ssh://hive2") == ["ssh", *options, "--", "hive2", "docker", "system", "dial-stdio"]
    assert argv("ssh://bee@hive2:2222/run/x.sock") == [
        "ssh", "-l", "bee", "-p", "2222", *options, "--", "hive2",
        "docker", "--host", "unix:///run/x.sock", "system", "dial-stdio",
    ]  # fmt: skip


# --- spoken to ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def engine(path: str = "", **listening: Any) -> AsyncIterator[int]:
    """Something that answers as an engine does when it is asked for its version and its name; its port."""

    async def version(request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41"})

    async def info(request: web.Request) -> web.Response:
        return web.json_response({"Name": "queen"})

    app = web.Application()
    app.add_routes([web.get("/version", version), web.get("/v1.41/info", info)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", 0, **listening)
        await site.start()
        yield 0 if path else runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def asked(where: Where) -> str:
    """Its name."""
    made = Engine(where)
    try:
        name: str = (await made.ask("GET", "info"))["Name"]
        return name
    finally:
        await made.close()


async def test_an_engine_with_tls_is_asked_by_a_context(write: Write, tmp_path: Path) -> None:
    """It sees our certificate and we see its own; by another authority's it is not believed."""
    theirs, ours, other = (Authority(tmp_path, name) for name in ("theirs", "ours", "other"))
    async with engine(ssl_context=theirs.server(clients=ours)) as port:
        folder = write("safe", f"tcp://127.0.0.1:{port}")
        folder.mkdir(parents=True)
        shutil.copy(theirs.file, folder / "ca.pem")
        with pytest.raises(Unavailable):
            await asked(Where(context="safe"))
        certificate, key = ours.issue("bee")
        shutil.copy(certificate, folder / "cert.pem")
        shutil.copy(key, folder / "key.pem")
        assert await asked(Where(context="safe")) == "queen"
        shutil.copy(other.file, folder / "ca.pem")
        with pytest.raises(Unavailable) as unavailable:
            await asked(Where(context="safe"))
        assert "certificate verify failed" in str(unavailable.value)


async def test_an_engine_with_tls_is_asked_by_the_environment(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    authority = Authority(tmp_path, "ca")
    folder = tmp_path / "certs"
    folder.mkdir()
    for made, name in zip((authority.file, *authority.issue("bee")), ("ca", "cert", "key"), strict=True):
        shutil.copy(made, folder / f"{name}.pem")
    async with engine(ssl_context=authority.server(clients=authority)) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))
        assert await asked(Where()) == "queen"


async def test_certificates_that_cannot_be_used_are_told(write: Write) -> None:
    """As an engine that can't be reached: they may be written yet."""
    folder = write("safe", "tcp://127.0.0.1:9")
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_text("no certificate")
    with pytest.raises(Unavailable) as unavailable:
        await asked(Where(context="safe"))
    assert str(unavailable.value).startswith("no Docker Engine answers: its certificates can't be used: ")


async def test_two_engines_are_two(write: Write, tmp_path: Path) -> None:
    """Each worker's is its own."""
    async with engine(str(tmp_path / "one.sock")):
        assert await asked(Where(f"unix://{tmp_path}/one.sock")) == "queen"
        with pytest.raises(Unavailable):
            await asked(Where(f"unix://{tmp_path}/two.sock"))
