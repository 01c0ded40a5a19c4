"""This machine: its boot, its ports, and the files that other programs look for."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from beeyard.adapters.host import system
from beeyard.adapters.host.system import LATELY, LinuxHost
from beeyard.domain.errors import Unavailable
from beeyard.domain.pressure import Pressure
from beeyard.launcher.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """A state folder."""
    made = Paths(str(tmp_path / "state"))
    made.create()
    yield made
    made.clear()


class Hour:
    """A moment that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(paths: Paths) -> dict[str, str]:
    """All files in the pid folder."""
    return {file.name: file.read_text() for file in Path(paths.pids).iterdir()}


def test_the_boot_is_told_by_the_kernel(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, the same as long as the machine is up."""
    assert LinuxHost(paths).boot_id() == LinuxHost(paths).boot_id()
    (tmp_path / "boot").write_text("abc\n")
    monkeypatch.setattr(system, "BOOT_ID", tmp_path / "boot")
    assert LinuxHost(paths).boot_id() == "abc"
    assert LinuxHost(paths).name() == socket.gethostname()


@pytest.mark.parametrize(
    ("ports", "text"),
    [({}, None), ({"http": 8080}, "8080\n"), ({"http": 8080, "raw": 9}, "http 8080\nraw 9\n")],
)
def test_pid_and_port_files_are_there_while_a_worker_runs(
    paths: Paths, ports: dict[str, int], text: str | None
) -> None:
    """One port by itself, several by name; nothing is left of what is over."""
    host = LinuxHost(paths)
    host.publish("web.1", 5, {"old": 1})
    host.publish("web.1", 12, ports)
    assert seen(paths) == {"web.1.pid": "12\n"} | ({"web.1.port": text} if text else {})
    host.publish("web.1", None, {})
    host.publish("web.1", None, {})
    assert seen(paths) == {}


def test_a_disk_that_refuses_a_file_fails_no_worker(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""
    (Path(paths.pids) / "web.pid").mkdir()
    LinuxHost(paths).publish("web", 12, {})
    assert caplog.messages[0].startswith("the pid and port files of web are out of date: ")
    (Path(paths.pids) / "web.pid").rmdir()


def test_a_port_somebody_listens_on_is_not_given(paths: Paths) -> None:
    """Not even if it is preferred; once it is free again it is."""
    host = LinuxHost(paths)
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert host.free_port(taken) != taken
    assert host.free_port(taken) == taken


def test_a_port_is_not_given_twice_within_a_minute(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker may not listen yet. One that asks for its own gets it."""
    hour = Hour()
    host = LinuxHost(paths, hour)
    first, second = host.free_port(0), host.free_port(0)
    choice = range(min(first, second), min(first, second) + 1)
    monkeypatch.setattr(system, "_choice", lambda: choice)
    assert host.free_port(choice[0]) == choice[0]
    with pytest.raises(Unavailable, match="no free TCP port between") as unavailable:
        host.free_port(0)
    assert unavailable.value.code == "no_free_port"
    hour.now += LATELY
    assert host.free_port(0) == choice[0]


@pytest.mark.parametrize(
    ("outgoing", "choice"),
    [
        ("32768\t60999\n", range(20000, 32768)),
        ("1024 65000\n", range(20000, 65536)),
        ("20500 61000", range(20000, 65536)),
    ],
)
def test_ports_are_chosen_from_those_that_outgoing_connections_leave(
    outgoing: str, choice: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless those leave next to none."""
    (tmp_path / "range").write_text(outgoing)
    monkeypatch.setattr(system, "PORT_RANGE", tmp_path / "range")
    assert system._choice() == choice


# --- pressure -------------------------------------------------------------------------------------------------------

QUIET = "avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def pressed(folder: Path, **files: str) -> None:
    """These files of /proc/pressure, and no others."""
    for name, text in files.items():
        (folder / name).write_text(text)


def test_the_means_over_ten_seconds_are_told(paths: Paths, tmp_path: Path) -> None:
    """As shares, not percent."""
    pressed(
        tmp_path,
        cpu=f"some avg10=80.25 avg60=9.00 avg300=9.00 total=2431977067\nfull {QUIET}",
        memory="some avg10=47.00 avg60=1.00 avg300=1.00 total=3\nfull avg10=12.50 avg60=1.00 avg300=1.00 total=2\n",
        io="some avg10=75.00 avg60=0.58 avg300=0.43 total=2\nfull avg10=50.00 avg60=0.41 avg300=0.30 total=1\n",
    )
    assert LinuxHost(paths, pressure=tmp_path).pressure() == Pressure(0.8025, 0.47, 0.125, 0.75, 0.5)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Pressure()),
        ({"cpu": f"some {QUIET}"}, Pressure(cpu=0.0)),
        ({"cpu": "", "memory": "some\n", "io": "some avg10=lots\n"}, Pressure()),
    ],
    ids=["no PSI", "before 5.13 cpu has no full", "not as the kernel writes"],
)
def test_what_the_kernel_does_not_tell_is_none(
    paths: Paths, tmp_path: Path, files: dict[str, str], expected: Pressure
) -> None:
    """No file is no error, and neither is one that nobody understands."""
    pressed(tmp_path, **files)
    assert LinuxHost(paths, pressure=tmp_path).pressure() == expected


def test_this_kernel_is_understood(paths: Paths) -> None:
    """The real files, where there are any: cpu has `some`, memory and io have both."""
    if not (system.PRESSURE / "cpu").exists():
        pytest.skip("this kernel has no PSI")
    found = LinuxHost(paths).pressure()
    assert all(share is not None and 0.0 <= share <= 1.0 for share in structs.astuple(found))


def test_the_kernel_is_asked_once_a_second_at_most(paths: Paths, tmp_path: Path) -> None:
    """However many questions are asked meanwhile."""
    hour = Hour()
    host = LinuxHost(paths, hour, tmp_path)
    shares = []
    for moment, share in ((100.0, 10), (100.9, 20), (101.0, 30)):
        hour.now = moment
        pressed(tmp_path, cpu=f"some avg10={share}.00 avg60=0.00 avg300=0.00 total=0\n")
        shares.append(host.pressure().cpu)
    assert shares == [0.1, 0.1, 0.3]


def test_who_does_not_want_to_know_is_told_nothing(paths: Paths) -> None:
    """Whatever the kernel says."""
    assert LinuxHost(paths, pressure=None).pressure() == Pressure()
