"""What may go wrong amid an install in the system, with real apt, dnf, dpkg and rpm: others install, a process is
killed, a disk is full, a script wants to ask.

The system is a folder, with a shell for the scripts of packages: this host's own packages are not touched.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.adapters.system import locks, running
from beeyard.domain.errors import Rejected, Unavailable, Untrusted
from beeyard.ports.package_manager import Installed
from tests import debs, disks
from tests.package_benches import PROGRAM, Apt, Dnf
from tests.yard import eventually

BUSYBOX = "/bin/busybox"
_KINDS = [pytest.param(Apt, marks=pytest.mark.needs_apt), pytest.param(Dnf, marks=pytest.mark.needs_dnf)]
LOCKS = {Apt: "var/lib/dpkg/lock-frontend", Dnf: "var/lib/rpm/.rpm.lock"}
WAITS = "#!/bin/sh\necho begun > /begun\nread word < /gate\n"
"""A script that goes on when somebody writes to /gate."""


@pytest.fixture(params=_KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Apt]:
    """Both kinds, installed in the system."""
    made: Apt = request.param(tmp_path)
    made.spec = replace(made.spec, unpacked=False)
    yield made
    made.close()


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    """Of Debian's kind, with a shell."""
    made = Apt(tmp_path)
    made.spec = replace(made.spec, unpacked=False)
    shell(made)
    return made


def shell(bench: Apt) -> None:
    """What scripts of packages need, in the system."""
    for name in ("bin/busybox", "bin/sh", "bin/rm", "bin/sleep"):
        (bench.system / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUSYBOX, bench.system / name)
    os.mkfifo(bench.system / "gate")


@contextmanager
def another_holds(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As another process that installs does, until its input ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    argv = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"1\n"
        try:
            yield holder
        finally:
            with suppress(ValueError):
                holder.communicate(b"\n")


async def install(bench: Apt, version: str, told: list[int | str] | None = None) -> Installed:
    """As it is offered now."""
    (found,) = [one for one in await bench.manager.offers(bench.spec, "hello") if one.manifest.version == version]
    return await bench.manager.install(bench.spec, found, (told if told is not None else []).append)


# --- somebody else installs ---------------------------------------------------------------------------------------


async def test_who_else_installs_is_named_and_waited_for(bench: Apt, caplog: pytest.LogCaptureFixture) -> None:
    """To who follows it, and in the log; then it goes on by itself."""
    bench.publish("1.0")
    told, waits = list[int | str](), asyncio.Event()

    def hear(said: int | str) -> None:
        told.append(said)
        waits.set()

    (found,) = await bench.manager.offers(bench.spec, "hello")
    with another_holds(bench.system / LOCKS[type(bench)]) as holder:
        installing = asyncio.create_task(bench.manager.install(bench.spec, found, hear))
        await waits.wait()
        assert told == [f"python (pid {holder.pid}) installs packages on this host"]
        assert "hello 1.0 waits up to 60 s: python (pid" in caplog.text
    assert (await installing).manifest.version == "1.0"
    assert told[1] == ""


async def test_who_waits_too_long_is_told_for_whom(bench: Apt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was done, and another try does it."""
    monkeypatch.setattr(locks, "PATIENCE", 0.5)
    bench.publish("1.0")
    with another_holds(bench.system / LOCKS[type(bench)]), pytest.raises(Unavailable) as refused:
        await install(bench, "1.0")
    assert refused.value.code == "system_locked"
    assert "hello 1.0: python (pid" in str(refused.value)
    assert (await install(bench, "1.0")).manifest.version == "1.0"


async def test_who_gives_up_waiting_leaves_nothing(bench: Apt) -> None:
    """A client that was ended, say."""
    bench.publish("1.0")
    waits = asyncio.Event()
    (found,) = await bench.manager.offers(bench.spec, "hello")
    with another_holds(bench.system / LOCKS[type(bench)]):
        installing = asyncio.create_task(bench.manager.install(bench.spec, found, lambda said: waits.set()))
        await waits.wait()
        installing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await installing
    assert await bench.manager.facts([bench.spec]) == []
    assert not (bench.system / "bin/run").exists()


# --- somebody is killed -------------------------------------------------------------------------------------------

MASTER = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {path!r}
from msgspec.structs import replace
from tests.package_benches import Apt
async def main():
    bench = Apt.__new__(Apt)
    bench.home, bench.system = Path({home!r}), Path({home!r}, "system")
    bench.manager = bench.made()
    from beeyard.domain.sources import RepositorySpec
    spec = RepositorySpec("main", "apt", path={place!r}, trust="unsigned")
    (found,) = await bench.manager.offers(spec, "hello")
    await bench.manager.install(spec, found, lambda said: None)
asyncio.run(main())
"""


def scripted(apt: Apt, script: str, name: str = "postinst") -> None:
    """hello 1.0 with this script."""
    debs.deb(apt.place, "hello", "1.0", {**PROGRAM, f"DEBIAN/{name}": script})
    apt.index()


@asynccontextmanager
async def a_master_amid(apt: Apt) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Another process, that installs hello, whose script waits."""
    scripted(apt, WAITS)
    code = MASTER.format(path=[*sys.path, str(Path(__file__).parents[2])], home=str(apt.home), place=str(apt.place))
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as master:
        await asyncio.to_thread(eventually, (apt.system / "begun").exists, "the script")
        yield master


def release(apt: Apt) -> None:
    """The script goes on, as often as it runs."""
    (apt.system / "gate").unlink()
    (apt.system / "gate").write_text("on\n")


def holder(apt: Apt, lock: str) -> int:
    """Who has it."""
    found = locks.holder(apt.system / "var/lib/dpkg" / lock)
    assert found is not None
    return found.pid


def let_go(apt: Apt) -> None:
    """Nobody installs any more."""
    eventually(lambda: locks.holder(apt.system / LOCKS[Apt]) is None, "the end of it")


@pytest.mark.needs_apt
async def test_an_install_goes_on_though_its_master_is_killed(apt: Apt) -> None:
    """The next master waits for its end, and knows it as an install of its own."""
    async with a_master_amid(apt) as master:
        master.kill()
    assert apt.manager.name == "apt"
    assert await apt.manager.facts([apt.spec]) == []
    told = list[int | str]()
    installing = asyncio.create_task(install(apt, "1.0", told))
    await asyncio.to_thread(eventually, lambda: "apt-get (pid " in str(told), "that it waits")
    with (apt.system / "gate").open("w") as gate:
        gate.write("on\n")
    installed = await installing
    assert await apt.manager.verify(installed, "digests") == []
    await apt.manager.remove(installed)
    assert not (apt.system / "bin/run").exists()


@pytest.mark.needs_apt
async def test_what_was_cut_off_with_its_master_is_mended_by_the_next(apt: Apt) -> None:
    """As when the host loses power: dpkg goes on where it was."""
    async with a_master_amid(apt) as master:
        master.kill()
        apts, dpkgs = holder(apt, "lock-frontend"), holder(apt, "lock")
        os.kill(apts, signal.SIGKILL)
        os.kill(dpkgs, signal.SIGKILL)
        release(apt)
    let_go(apt)
    assert await apt.manager.facts([apt.spec]) == []
    installed = await install(apt, "1.0")
    assert await apt.manager.verify(installed, "digests") == []
    assert await apt.manager.facts([apt.spec]) == [installed]


@pytest.mark.needs_apt
async def test_a_dpkg_that_is_killed_is_told_and_another_try_mends_it(apt: Apt) -> None:
    """What it did by half is no fact."""
    scripted(apt, WAITS)
    installing = asyncio.create_task(install(apt, "1.0"))
    await asyncio.to_thread(eventually, (apt.system / "begun").exists, "the script")
    os.kill(holder(apt, "lock"), signal.SIGKILL)
    release(apt)
    with pytest.raises(Rejected) as stopped:
        await installing
    assert stopped.value.code == "system_stopped"
    assert await apt.manager.facts([apt.spec]) == []
    installed = await install(apt, "1.0")
    assert await apt.manager.facts([apt.spec]) == [installed]


@pytest.mark.needs_apt
async def test_what_fails_by_itself_is_told_in_its_words(apt: Apt) -> None:
    """And goes when it is better."""
    scripted(apt, "#!/bin/sh\ntest -e /good\n")
    with pytest.raises(Rejected, match="installed hello package post-installation script subprocess returned error"):
        await install(apt, "1.0")
    (apt.system / "good").touch()
    assert (await install(apt, "1.0")).manifest.version == "1.0"


# --- nobody is asked ----------------------------------------------------------------------------------------------


@pytest.mark.needs_apt
async def test_a_script_that_asks_gets_no_answer(apt: Apt) -> None:
    """There is nobody to ask: its input is at its end, and it is told so."""
    scripted(apt, '#!/bin/sh\nread answer && exit 1\ntest "$DEBIAN_FRONTEND" = noninteractive\n', "preinst")
    assert (await install(apt, "1.0")).manifest.version == "1.0"


@pytest.mark.needs_apt
async def test_a_question_of_debconf_is_answered_as_its_package_says(apt: Apt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the most important one is shown to nobody. The script finds debconf here, its records in the system."""
    records = apt.system / "etc/debconf.conf"
    records.parent.mkdir()
    stanzas = [f"Name: {name}\nDriver: File\nFilename: /etc/{name}.dat\n" for name in ("config", "templates")]
    records.write_text("\n".join(["Config: config\nTemplates: templates\n", *stanzas]))
    monkeypatch.setitem(running._SILENT, "DPKG_FORCE", "script-chrootless")
    asks = "#!/bin/sh\n. /usr/share/debconf/confmodule\ndb_input critical hello/name || true\ndb_go || true\n"
    keeps = '#!/bin/sh\n. /usr/share/debconf/confmodule\ndb_get hello/name\necho "$RET" > "$DPKG_ROOT/answer"\n'
    question = "Template: hello/name\nType: string\nDefault: nobody\nDescription: Who are you?\n"
    files = {"DEBIAN/templates": question, "DEBIAN/config": asks, "DEBIAN/postinst": keeps}
    debs.deb(apt.place, "hello", "1.0", PROGRAM | files)
    apt.index()
    await install(apt, "1.0")
    assert (apt.system / "answer").read_text() == "nobody\n"


# --- no room, and what is out of date -----------------------------------------------------------------------------


@pytest.mark.needs_apt
async def test_a_full_disk_is_told_and_what_came_goes_on_where_there_is_room(tmp_path: Path) -> None:
    """The system's."""
    with disks.mounted(tmp_path / "system", "size=8m") as disk:
        apt = Apt(tmp_path)
        apt.spec = replace(apt.spec, unpacked=False)
        debs.deb(apt.place, "hello", "1.0", {**PROGRAM, "usr/share/big": "0123456789abcdef" * 2**16})
        apt.index()
        disks.fill(disk / "filler")
        with pytest.raises(Rejected) as full:
            await install(apt, "1.0")
        assert full.value.code == "system_no_room"
        (disk / "filler").unlink()
        assert (await install(apt, "1.0")).manifest.version == "1.0"


@pytest.mark.needs_apt
async def test_an_index_that_is_out_of_date_is_refused(apt: Apt) -> None:
    """Somebody could hold back what is newer."""
    apt.publish("1.0")
    key = apt.signed()
    debs.index(apt.place, key, until="Sat, 01 Jan 2022 00:00:00 UTC")
    with pytest.raises(Untrusted, match="is expired") as refused:
        await apt.manager.offers(apt.spec, "hello")
    assert refused.value.code == "repository_expired"
    key.close()


@pytest.mark.needs_apt
async def test_what_comes_to_some_hosts_first_is_only_for_who_names_it(apt: Apt) -> None:
    """Debian's kind calls it phased; ours wait until it comes to all."""
    apt.package("1.0")
    apt.package("2.0", fields=["Phased-Update-Percentage: 10"])
    apt.index()
    found = {one.manifest.version: one.yanked for one in await apt.manager.offers(apt.spec, "hello")}
    assert found == {"1.0": "", "2.0": "it is meant for 10 % of all hosts so far"}
