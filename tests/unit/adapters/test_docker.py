"""What the docker provider knows without an engine: frames, places in logs, ends, requests, registries."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.adapters.images.docker_config import HUB
from beeyard.adapters.ledger import Copied, Ledger, Page, beyond, here
from beeyard.adapters.providers.docker import holding
from beeyard.adapters.providers.docker.container import body, ours
from beeyard.adapters.providers.docker.ending import doubtful, ended, exit_of
from beeyard.adapters.providers.docker.frames import PIECE, Frames, since, stamped
from beeyard.adapters.providers.docker.layers import Layers
from beeyard.adapters.providers.docker.registry import headers, registry
from beeyard.adapters.providers.docker.section import DockerSection, Volume
from beeyard.domain.limits import Hold
from beeyard.domain.messages import Exit
from beeyard.domain.secrets import Secret
from beeyard.domain.spec import Endpoint, WorkerSpec
from beeyard.domain.values import Memory, WorkerId

STAMP = "2026-01-02T03:04:05.000000006Z"


# --- frames ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50))), st.lists(st.integers(1, 20)))
def test_frames_are_whole_however_they_come(payloads: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Cut anywhere, nothing is lost and nothing is mixed."""
    data = b"".join(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for stream, text in payloads)
    frames, found = Frames(), []
    for cut in cuts:
        found += frames.feed(data[:cut])
        data = data[cut:]
    found += frames.feed(data)
    assert found == [({1: "stdout", 2: "stderr"}[stream], text) for stream, text in payloads]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (b"hello\n", b"hello\n"),
        (b"", b"\n"),
        (b"the end of a long one", b"the end of a long one\n"),
        (b"x" * PIECE, b"x" * PIECE),
        (b"\n", b"\n"),
    ],
)
def test_only_the_last_piece_of_a_line_ends_it(line: bytes, meant: bytes) -> None:
    """A whole piece goes on; one that is shorter ended, whatever the engine did with its newline."""
    assert stamped(STAMP.encode() + b" " + line) == (STAMP, meant)


def test_a_time_is_asked_for_to_the_nanosecond() -> None:
    """As the engine takes it; nothing noted is all there is."""
    assert (since(STAMP), since("")) == ("1767323045.000000006", "0")


# --- places ---------------------------------------------------------------------------------------------------------


def test_what_was_logged_since_is_counted_through_rotation(tmp_path: Path) -> None:
    """An unfinished line moves on when a file is put aside, and is still counted once; a place that is gone is told."""
    base = str(tmp_path / "stdout")
    log = tmp_path / "stdout.log"
    assert (here(base), beyond(base, 0, 0)) == ((0, 0), 0)
    log.write_bytes(b"one\ntw")
    assert beyond(base, 0, 0) == 6
    inode, offset = here(base)
    assert (offset, beyond(base, inode, offset)) == (6, 0)
    log.rename(tmp_path / "stdout.log.1")
    (tmp_path / "stdout.log.1").write_bytes(b"one\n")
    log.write_bytes(b"two\nthree\n")
    assert beyond(base, inode, offset) == len(b"o\nthree\n")
    (tmp_path / "stdout.log.1").unlink()
    assert beyond(base, inode, offset) is None


def test_the_ledger_keeps_a_page_until_it_is_dropped(tmp_path: Path) -> None:
    """Before the first there is no folder, and a broken page is none."""
    ledger = Ledger(str(tmp_path / "containers"))
    assert (ledger.begun(), ledger.page("web.1", 2)) == (False, None)
    page = Page(3, {"stdout": Copied(STAMP, 2, 7, 9)}, {"max_size": 4096, "max_files": 1})
    ledger.write("web.1", 2, page)
    assert (ledger.begun(), ledger.page("web.1", 2), ledger.page("web.1", 1)) == (True, page, None)
    (tmp_path / "containers" / "web.1@2").write_text("{")
    assert ledger.page("web.1", 2) is None
    for _ in range(2):
        ledger.drop("web.1", 2)


# --- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "exit"),
    [
        ({"ExitCode": 0}, Exit(0)),
        ({"ExitCode": 3}, Exit(3)),
        ({"ExitCode": 143}, Exit(signal=15)),
        ({"ExitCode": 255}, Exit(255)),
        ({"ExitCode": 137, "OOMKilled": True}, Exit(signal=9, oom=True)),
        ({"ExitCode": 1, "OOMKilled": True}, Exit(1, note="the kernel killed one of its processes: out of memory")),
        ({"ExitCode": 127, "Error": "no such file"}, Exit(127, note="no such file")),
    ],
)
def test_the_engines_state_in_our_words(state: dict[str, Any], exit: Exit) -> None:
    """Code, signal, memory, and the engine's own reason."""
    assert exit_of(state) == exit


def test_one_that_was_only_made_did_not_end() -> None:
    """And one that was killed with a memory limit may have had too little."""
    never = {"Status": "exited", "StartedAt": "0001-01-01T00:00:00Z", "ExitCode": 137}
    over = {**never, "StartedAt": STAMP}
    assert (ended(never), ended(over), ended({**over, "Status": "running"})) == (False, True, False)
    assert doubtful({"State": over, "HostConfig": {"Memory": 1}})
    assert not doubtful({"State": over, "HostConfig": {}})
    assert not doubtful({"State": {**over, "OOMKilled": True}, "HostConfig": {"Memory": 1}})


# --- requests -------------------------------------------------------------------------------------------------------


def made(section: DockerSection, **endpoints: Endpoint) -> dict[str, Any]:
    """The request for attempt 2 of `web`, its endpoints on ports from 8000 on."""
    spec = WorkerSpec(WorkerId("web"), "docker", {}, endpoints=endpoints)
    ports = {name: 8000 + number for number, name in enumerate(endpoints)}
    return body(spec, section, "abc", 2, ports, {"key": Secret("s3")}, 12.5)


def test_a_secret_stands_in_the_environment_only() -> None:
    """In place of the reference to it."""
    asked = made(DockerSection("redis:7", environment={"TOKEN": "a-${secret:key}"}))
    assert asked["Env"][0] == "TOKEN=a-s3"
    assert json.dumps(asked).count("s3") == 1


def test_labels_tell_whose_it_is() -> None:
    """Ours cannot be taken by those of the file."""
    labels = made(DockerSection("x", labels={"team": "bees", "beeyard.owner": "else"}))["Labels"]
    assert (ours(labels, "abc"), ours(labels, "else"), labels["team"]) == (("web", 2), None, "bees")
    assert ours({"beeyard.owner": "abc"}, "abc") is None


def test_ports_lead_into_the_container_unless_the_network_is_shared() -> None:
    """Its own number where none is named; nothing is led anywhere on the host's network."""
    endpoints = {"http": Endpoint(), "db": Endpoint(host="0.0.0.0")}
    asked = made(DockerSection("x", ports={"http": 80}), **endpoints)
    assert asked["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}],
        "8001/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8001"}],
    }
    assert asked["Env"][-2:] == ["BEEYARD_PORT_HTTP=80", "BEEYARD_PORT_DB=8001"]
    asked = made(DockerSection("x", networks=("host",)), **endpoints)
    assert (asked["HostConfig"]["PortBindings"], asked["HostConfig"]["NetworkMode"]) == ({}, "host")


def test_devices_mounts_and_the_rest_stand_where_the_engine_looks() -> None:
    """What can't be tried everywhere is at least asked for rightly."""
    section = DockerSection(
        "x", gpus=("0", "1"), volumes={"/a": Volume("/srv"), "/b": Volume(volume="v", read_only=True)},
        tmpfs={"/t": Memory(4096)}, entrypoint=("/e",), networks=("one", "two"),
    )  # fmt: skip
    asked = made(section)
    host = asked["HostConfig"]
    assert host["DeviceRequests"] == [{"Driver": "", "Capabilities": [["gpu"]], "DeviceIDs": ["0", "1"]}]
    assert made(DockerSection("x", gpus=("all",)))["HostConfig"]["DeviceRequests"][0]["Count"] == -1
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/srv", "Target": "/a", "ReadOnly": False},
        {"Type": "volume", "Source": "v", "Target": "/b", "ReadOnly": True},
    ]
    assert (host["Tmpfs"], asked["Entrypoint"], host["NetworkMode"]) == ({"/t": "size=4096"}, ["/e"], "one")


def test_bounds_are_the_engines_or_said_not_to_be_held() -> None:
    """Swap is bounded beside memory only."""
    hold = Hold(memory=100, swap=20, cores=1.5, io_weight=5000, read_bps=1)
    asked = holding.bounds(hold)
    assert (asked["Memory"], asked["MemorySwap"], asked["NanoCpus"], asked["BlkioWeight"]) == (
        100,
        120,
        15 * 10**8,
        1000,
    )
    assert holding.words(hold)["read_bps"] == "not held: the Docker Engine has no such bound"
    assert holding.words(Hold(swap=20))["swap"].startswith("not held: ")


# --- registries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("redis:7", HUB),
        ("library/redis", HUB),
        ("docker.io/library/redis", HUB),
        ("localhost/x", "localhost"),
        ("127.0.0.1:5000/x:1", "127.0.0.1:5000"),
        ("registry.example.org/a/b@sha256:00", "registry.example.org"),
    ],
)
def test_the_registry_is_the_first_part_of_a_name_if_it_can_be_one(image: str, server: str) -> None:
    """As for the `docker` command."""
    assert registry(image) == server


async def test_without_a_configuration_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a registry that it does not name."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert await headers("redis:7") == {}
    (tmp_path / "config.json").write_text('{"auths": {"example.org": {"auth": "YTpi"}}}')
    assert await headers("redis:7") == {}
    assert list(await headers("example.org/x")) == ["X-Registry-Auth"]


def test_progress_counts_layers_and_bytes() -> None:
    """The line about the tag is no layer, and what came stays counted while it is unpacked."""
    layers = Layers()
    assert (str(layers), layers.share) == ("0 of 0 layers", 0.0)
    for step in (
        {"id": "7", "status": "Pulling from library/redis"},
        {"id": "a", "status": "Already exists"},
        {"id": "b", "status": "Pulling fs layer"},
        {"id": "b", "status": "Downloading", "progressDetail": {"current": 1024**2, "total": 4 * 1024**2}},
    ):
        layers.take(step)
    assert (str(layers), layers.share) == ("1 of 2 layers, 1.0 MB of 4.0 MB", (1 + 0.9 / 4) / 2)
    layers.take({"id": "b", "status": "Extracting", "progressDetail": {"current": 7, "total": 9}})
    assert (str(layers), layers.share) == ("1 of 2 layers, 4.0 MB of 4.0 MB", 0.95)
    layers.take({"id": "b", "status": "Pull complete"})
    assert (str(layers), layers.share) == ("2 of 2 layers, 4.0 MB of 4.0 MB", 1.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(1, 10))))
def test_progress_never_goes_back(steps: list[tuple[str, int, int]]) -> None:
    """In whatever order layers come and are unpacked, each in its own."""
    layers, stages, before = Layers(), dict.fromkeys("abc", (0, 0)), 0.0
    for name in stages:
        layers.take({"id": name, "status": "Pulling fs layer"})
    for name, stage, came in steps:
        stages[name] = max(stages[name], (stage, came))
        status = ("Downloading", "Extracting", "Pull complete")[stages[name][0]]
        layers.take({"id": name, "status": status, "progressDetail": {"current": stages[name][1], "total": 10}})
        assert before <= layers.share <= 1.0
        before = layers.share
