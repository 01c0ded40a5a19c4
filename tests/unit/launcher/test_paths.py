"""Where things lie: one state folder, one identity, and sockets whose paths are never too long."""

import os
import socket
from pathlib import Path

import pytest

from beeyard.launcher.paths import SOCKET_LIMIT, Paths, default_state

SOCKETS = ("master_socket", "launcher_socket", "pump_socket")


@pytest.mark.parametrize("name", SOCKETS)
def test_a_socket_lies_in_the_state_folder_as_long_as_its_path_is_short_enough(name: str) -> None:
    """107 bytes are, 108 are not; then it lies beside, in a folder of this state's own."""
    inside = len(os.path.join("run", os.path.basename(getattr(Paths("/s"), name))))
    longest = "/" + "s" * (SOCKET_LIMIT - inside - 2)
    path = getattr(Paths(longest), name)
    assert (os.path.dirname(path), len(path)) == (f"{longest}/run", SOCKET_LIMIT)
    beside = getattr(Paths(f"{longest}s"), name)
    assert os.path.dirname(beside).endswith(Paths(f"{longest}s").identity)
    assert os.path.basename(beside) == os.path.basename(path)
    assert len(os.fsencode(beside)) <= SOCKET_LIMIT


def test_bytes_count_and_not_letters() -> None:
    """The kernel knows no letters."""
    state = "/" + "ä" * 50
    assert len(f"{state}/run/master.sock") <= SOCKET_LIMIT
    assert not Paths(state).master_socket.startswith(state)


def test_the_kernel_takes_the_longest_path_that_we_do(tmp_path: Path) -> None:
    """And no longer one."""
    room = SOCKET_LIMIT - len(str(tmp_path)) - 1
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ("s" * room)))
    with socket.socket(socket.AF_UNIX) as listener, pytest.raises(OSError, match="too long"):
        listener.bind(str(tmp_path / ("s" * (room + 1))))


@pytest.mark.parametrize(
    ("uid", "runtime", "base"),
    [(0, "/run/user/0", "/run/beeyard"), (7, "/run/user/7", "/run/user/7"), (7, "", "/tmp/beeyard-7")],
)
def test_beside_is_where_this_user_may_write(
    uid: int, runtime: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's own folder, the session's, or one in /tmp."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    paths = Paths("/" + "s" * 200)
    assert paths.master_socket == f"{base}/{paths.identity}/master.sock"


def test_the_identity_is_that_of_the_folder_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a link, with dots, relative; another folder has another."""
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "link").symlink_to(state)
    monkeypatch.chdir(tmp_path)
    names = [str(state), str(tmp_path / "link"), f"{tmp_path}/x/../state/", "state"]
    identities = {Paths(name).identity for name in names}
    assert len(identities) == 1
    assert {len(identity) for identity in identities} == {16}
    assert Paths(str(tmp_path / "other")).identity not in identities


def test_the_identity_of_a_folder_never_changes() -> None:
    """Running workers are marked with it: another version must find them."""
    assert Paths("/var/lib/beeyard").identity == "c8de83e4705ab22b"


def test_everything_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Harmless twice; and what lies outside can be taken back."""
    paths = Paths(str(tmp_path / "state"))
    paths.create()
    paths.create()
    for folder in (paths.state, paths.run, paths.logs, paths.fifo, paths.pids):
        assert os.stat(folder).st_mode & 0o777 == 0o700
    assert paths.worker_logs("web.1") == f"{paths.logs}/web.1"
    assert paths.worker_fifo("web.1", "stdout") == f"{paths.fifo}/web.1.stdout"
    paths.clear()
    paths.create()
    paths.clear()


@pytest.mark.parametrize(
    ("uid", "environment", "state"),
    [
        (7, {"BEEYARD_STATE_DIR": "/given", "XDG_STATE_HOME": "/x"}, "/given"),
        (0, {"XDG_STATE_HOME": "/x"}, "/var/lib/beeyard"),
        (7, {"XDG_STATE_HOME": "/x"}, "/x/beeyard"),
        (7, {"HOME": "/home/ann"}, "/home/ann/.local/state/beeyard"),
    ],
)
def test_the_state_folder_is_given_or_the_users_own(
    uid: int, environment: dict[str, str], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other programs do it."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    for name in ("BEEYARD_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_state() == state
