"""A confined command reaches its own folder and nothing else, and nothing of it is left."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from beeyard.adapters.archives import confine
from beeyard.adapters.confined import command
from beeyard.adapters.confined.command import PATH, Limits, run
from beeyard.adapters.confined.together import together
from beeyard.domain.errors import NotFound, Refused, Rejected
from tests.yard import eventually

LANDLOCK = max(0, confine._libc.syscall(444, None, 0, 1))
"""The version of what keeps a process from files in this kernel; it keeps from signals since the sixth."""
SEPARATE = "from beeyard.adapters.confined.walls import separate; separate(users={}, network=False)"
WAYS = [
    users
    for users in (True, False)
    if not subprocess.run(
        [sys.executable, "-c", SEPARATE.format(users)], check=False, stderr=subprocess.DEVNULL
    ).returncode
]
"""Whether with namespaces of users, of those by which it can have a view of its own here."""
ALONE = bool(WAYS)

needs_landlock = pytest.mark.skipif(not LANDLOCK, reason="this kernel has no landlock")
needs_root = pytest.mark.skipif(
    False not in WAYS, reason="only root makes namespaces without those of users, if it may"
)
needs_namespaces = pytest.mark.skipif(not ALONE, reason="nobody may make namespaces here")


def allow(
    monkeypatch: pytest.MonkeyPatch, *, users: bool = True, namespaces: bool = True, landlock: bool = True
) -> None:
    """What the kernel of this test has; it says so itself. `users`: namespaces of them."""
    changes = (
        "import beeyard.adapters.archives.confine as c; import beeyard.adapters.confined.walls as w; had = w.separate"
    )
    if not namespaces:
        changes += "; w.separate = lambda **_: w._done(1)"
    if not users:
        changes += "; w.separate = lambda users, network: w._done(1) if users else had(users=False, network=network)"
    if not landlock:
        changes += "; c.fence = lambda *_: 0"
    monkeypatch.setattr(command, "_CODE", command._CODE.replace("; main()", f"; {changes}; main()"))


@pytest.fixture(
    params=[
        pytest.param({}, id="alone", marks=needs_namespaces),
        pytest.param({"landlock": False}, id="alone without landlock", marks=needs_namespaces),
        pytest.param({"users": False}, id="as root", marks=needs_root),
        pytest.param({"namespaces": False}, id="shared", marks=needs_landlock),
    ]
)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of those that hold it."""
    allow(monkeypatch, **request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where it runs."""
    (tmp_path / "room/work").mkdir(parents=True)
    return tmp_path / "room"


def shell(folder: Path, text: str, limits: Limits = Limits(), *, network: bool = False) -> None:  # noqa: B008
    """Run this, on whatever kernel."""
    run(["sh", "-ec", text], folder, {"HOME": str(folder)}, limits, network=network, lonely=ALONE)


def test_it_writes_in_its_folder_and_has_no_variables_of_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by the process that started it."""
    monkeypatch.setenv("BEEYARD_REPO_PASSPHRASE", "hidden")
    shell(folder, "env > told; echo done > ../beside; cat /proc/*/environ >> told 2>/dev/null || true")
    told = (folder / "work/told").read_text()
    assert f"HOME={folder}" in told
    assert "hidden" not in told
    assert (folder / "beside").read_text() == "done\n"


@pytest.mark.usefixtures("kernel")
def test_it_neither_reads_nor_writes_elsewhere(folder: Path, tmp_path: Path) -> None:
    """What belongs to this user as well: only tools and devices without harm can be reached."""
    (tmp_path / "secret").write_text("hidden")
    shell(
        folder,
        f"if cat {tmp_path}/secret; then exit 1; fi; if ls {tmp_path} | grep secret; then exit 1; fi\n"
        f"if echo x > {tmp_path}/made; then exit 1; fi; if rm {tmp_path}/secret; then exit 1; fi\n"
        "cat /etc/os-release > /dev/null; head -c 4 /dev/urandom > random",
    )
    assert (tmp_path / "secret").read_text() == "hidden"
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("kernel")
def test_what_only_some_may_read_is_hidden_from_it(folder: Path) -> None:
    """Of root as well, who could; it may try to come by it."""
    hidden = [path for path in ("/etc/shadow", "/etc/gshadow") if os.path.exists(path)]
    ways = "umount {0}", "unshare -rm umount {0}", "grep . {0}"
    tries = "".join(f"if {way.format(path)}; then exit 1; fi\n" for path in hidden for way in ways)
    shell(folder, f"{tries} cat /etc/passwd > /dev/null")


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_its_own_folder_may_lie_in_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """As the state of somebody whose home is in /opt."""
    shy = f"import beeyard.adapters.confined.walls as w; w.SHY = ({str(tmp_path)!r},)"
    monkeypatch.setattr(command, "_CODE", command._CODE.replace("; main()", f"; {shy}; main()"))
    tmp_path.chmod(0o755)
    (tmp_path / "private/room/work").mkdir(parents=True)
    (tmp_path / "private/room/own").mkdir(0o700)
    for name in ("open", "secret", "private/secret"):
        (tmp_path / name).write_text("hidden")
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    (tmp_path / "private").chmod(mode)
    text = "cat ../../../open > ../own/told; if grep . ../../../secret || grep . ../../secret; then exit 1; fi"
    run(["sh", "-ec", text], tmp_path / "private/room", {}, Limits(), reads=(tmp_path,))
    assert (tmp_path / "private/room/own/told").read_text() == "hidden"


@pytest.mark.usefixtures("kernel")
def test_it_sees_no_process_but_its_own(folder: Path) -> None:
    """With the arguments and the variables that those have."""
    us = os.getpid()
    shell(folder, f"if cat /proc/{us}/cmdline | grep python; then exit 1; fi")
    if LANDLOCK >= 6:
        shell(folder, f"if kill -0 {us}; then exit 1; fi")


@needs_namespaces
@pytest.mark.parametrize("users", [True, pytest.param(False, marks=needs_root)])
def test_root_is_nobody_there(folder: Path, monkeypatch: pytest.MonkeyPatch, users: bool) -> None:
    """What it could do as root, it could undo."""
    allow(monkeypatch, users=users)
    shell(folder, "grep ^Cap /proc/self/status > told")
    told = (folder / "work/told").read_text().split()
    assert set(told[1::2]) == {"0" * 16}


PYTHON = shutil.which("python3", path=PATH)
"""One that a confined command finds."""
needs_python = pytest.mark.skipif(PYTHON is None, reason="there is no Python where a confined command finds one")
NETWORK = f"""
exec {PYTHON} -I -S -c '
import socket, sys
taken = socket.create_server(("127.0.0.1", 0))
socket.create_connection(taken.getsockname())
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError:
    sys.exit(int(sys.argv[2]))
sys.exit(1 - int(sys.argv[2]))
'
"""


@needs_namespaces
@needs_python
def test_it_has_a_network_of_its_own_with_nobody_there(folder: Path) -> None:
    """Its loopback works, so that what is built can be tested; ours is out of reach, unless it is let there."""
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        shell(folder, NETWORK.rstrip() + f" {port} 0")
        shell(folder, NETWORK.rstrip() + f" {port} 1", network=True)


SOCKETS = f"""
exec {PYTHON} -I -S -c '
import socket, sys
for address in sys.argv[1], chr(0) + sys.argv[2]:
    try:
        socket.socket(socket.AF_UNIX).connect(address)
    except OSError:
        continue
    sys.exit(1)
'
"""


@needs_python
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("network", [False, True])
def test_it_reaches_no_socket_of_this_host(folder: Path, network: bool) -> None:
    """Neither by its path nor by its name, with the network or without; so no program that does as it is told there."""
    name = f"beeyard-test-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory() as short,
        socket.socket(socket.AF_UNIX) as file,
        socket.socket(socket.AF_UNIX) as named,
    ):
        file.bind(f"{short}/socket")
        named.bind(f"\0{name}")
        file.listen()
        named.listen()
        os.chmod(short, 0o755)
        shell(folder, f"{SOCKETS.rstrip()} {short}/socket {name}", network=network)


@needs_python
@pytest.mark.usefixtures("kernel")
def test_where_it_shares_the_network_it_reaches_none_all_the_same(folder: Path) -> None:
    """Unless it is let there; with every kernel that holds it."""
    with socket.create_server(("127.0.0.1", 0)) as here:
        port = here.getsockname()[1]
        tried = f"exec {PYTHON} -I -S -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))'"
        with pytest.raises(Rejected, match="exit code 1"):
            shell(folder, tried)
        shell(folder, tried, network=True)


LEFT = "mkfifo held; setsid sh -c 'exec 3<>held; echo ready > started; sleep 1000' & until [ -s started ]; do :; done"


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("network", "end"),
    [(False, ""), (True, ""), (True, "; sleep 1000")],
    ids=["by itself", "by itself with the network", "by force"],
)
def test_nothing_that_it_started_is_left(folder: Path, network: bool, end: str) -> None:
    """However it was started, and however it ended."""
    with pytest.raises(Rejected, match="after 5s") if end else nullcontext():
        shell(folder, LEFT + end, Limits(seconds=5), network=network)
    assert (folder / "work/started").exists()
    with pytest.raises(OSError, match="No such device or address"):  # nobody has it open for reading
        os.open(folder / "work/held", os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.parametrize(
    ("text", "limits", "expected"),
    [
        ("exit 7", Limits(), "exit code 7"),
        ("exit 200", Limits(), "exit code 200"),
        ("kill -TERM $$", Limits(), "it was ended by SIGTERM"),
        ("sleep 1000", Limits(seconds=0.5), "it was ended after 500ms"),
        ("sleep 1000 & wait", Limits(seconds=0.5), "it was ended after 500ms"),
        ("exec head -c 2000000 /dev/zero > large", Limits(largest=2**20), "it wrote a file of more than 1.0 MB"),
        ("exec 3>a 4>b 5>c 6>d 7>e 8>f", Limits(files=6), "exit code 2"),
    ],
    ids=["exit code", "high exit code", "signal", "time", "time of all", "size of a file", "open files"],
)
def test_how_it_ended_is_told(folder: Path, text: str, limits: Limits, expected: str) -> None:
    """By itself, by a signal, or at one of its limits."""
    with pytest.raises(Rejected) as caught:
        shell(folder, text, limits)
    assert caught.value.code == "command_failed"
    assert str(caught.value) == f"`sh -ec {text}` failed: {expected}"


@needs_python
def test_no_process_of_it_fills_more_memory_than_it_may(folder: Path) -> None:
    """What it only reserves is not counted."""
    program = f"exec {PYTHON} -I -S -c"
    reserve = "import mmap; mmap.mmap(-1, 2**32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 0)"
    few = Limits(memory=2**28)
    shell(folder, f"{program} '{reserve}'", few)
    shell(folder, f"{program} 'bytearray(2**27)'", few)
    with pytest.raises(Rejected, match="exit code 1"):
        shell(folder, f"{program} 'bytearray(2**29)'", few)


@contextmanager
def groups() -> Iterator[None]:
    """Skips where nobody may make control groups, and sees that those made here are gone."""
    with together({"memory": 2**20}) as made:
        if "memory" not in made.held:
            pytest.skip("nobody may make control groups here")
        above = Path(made.folders["memory"]).parent
    before = set(above.glob("beeyard-command-*"))
    yield
    left = set(above.glob("beeyard-command-*")) - before  # Of tests beside this one as well, until they are over.
    eventually(lambda: not any(one.exists() for one in left), "all of them are gone")


@needs_python
def test_all_of_it_together_fills_no_more_memory_than_it_may(folder: Path) -> None:
    """Though each of its processes fills less; what ends is the whole command."""
    fill = f"{PYTHON} -I -S -c 'import time; held = bytearray(3 * 2**26); time.sleep(1000)'"
    with groups(), pytest.raises(Rejected, match=r"failed: all of it together filled more memory than 256 MB$"):
        shell(folder, f"({fill} || kill $$) & ({fill} || kill $$) & wait", Limits(memory=2**28))


def test_no_more_processes_of_it_run_than_may(folder: Path) -> None:
    """Of root as well."""
    with groups(), pytest.raises(Rejected, match="exit code"):
        shell(folder, "for one in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done", Limits(processes=8))


def test_a_command_that_is_not_there_is_named(folder: Path) -> None:
    """Ours, which lies elsewhere, is none."""
    with pytest.raises(NotFound, match=r"`beeyard`: No such file or directory") as caught:
        run(["beeyard"], folder, {}, Limits(), lonely=ALONE)
    assert caught.value.code == "command_missing"


def test_where_nothing_can_hold_it_it_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody lets it."""
    allow(monkeypatch, namespaces=False, landlock=False)
    with pytest.raises(Refused) as caught:
        run(["touch", "ran"], folder, {}, Limits())
    assert caught.value.code == "command_unheld"
    assert "--allow-network" in caught.value.hint
    assert not (folder / "work/ran").exists()
    held = run(["true"], folder, {}, Limits(), lonely=False)
    assert not held.alone
    assert not held.landlock


def test_what_held_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of its own, or less; and whether it had our network."""
    if ALONE:
        assert (held := run(["true"], folder, {}, Limits())).alone
        assert held.offline
        assert (held := run(["true"], folder, {}, Limits(), network=True)).alone
        assert not held.offline
    if LANDLOCK:
        allow(monkeypatch, namespaces=False)
        assert not (held := run(["true"], folder, {}, Limits())).alone
        assert held.offline
        assert held.landlock
