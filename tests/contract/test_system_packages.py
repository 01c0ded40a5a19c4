"""What only packages of a distribution do: signed indexes, versions by its rules, and installs in a system.

The system is a folder that dpkg or rpm take for one: this host's own packages are not touched.
"""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.adapters.system import apt_sources
from beeyard.adapters.system.build import Present
from beeyard.adapters.system.dpkg import Dpkg
from beeyard.domain.errors import NotFound, Refused, Untrusted
from beeyard.ports.package_manager import Installed, Offered, Tell
from beeyard.ports.package_store import Damage
from tests import debs
from tests.package_benches import PROGRAM, Apt, Dnf

_KINDS = [pytest.param(Apt, marks=pytest.mark.needs_apt), pytest.param(Dnf, marks=pytest.mark.needs_dnf)]
CONFIGURED = "/etc/hello.conf"


@pytest.fixture(params=_KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Apt]:
    """Both kinds, unpacked."""
    made: Apt = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=_KINDS)
def within(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Apt]:
    """Both kinds, installed in the system."""
    made: Apt = request.param(tmp_path)
    made.spec = replace(made.spec, unpacked=False)
    yield made
    made.close()


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    """Of Debian's kind, installed in the system."""
    made = Apt(tmp_path)
    made.spec = replace(made.spec, unpacked=False)
    return made


async def offered(bench: Apt, version: str, name: str = "hello") -> Offered:
    """The build of this version."""
    (found,) = [one for one in await bench.manager.offers(bench.spec, name) if one.manifest.version == version]
    return found


async def install(bench: Apt, version: str, name: str = "hello") -> Installed:
    """What is offered already."""
    return await bench.manager.install(bench.spec, await offered(bench, version, name), lambda done: None)


# --- who says so --------------------------------------------------------------------------------------------------


async def test_what_its_key_signed_is_known_by_signature(bench: Apt) -> None:
    """The tool of the distribution verifies the index, which names the digest of each file."""
    bench.signed()
    assert (await bench.installed()).trust == "signature"


async def test_nothing_stays_behind_that_was_started_to_verify(bench: Apt, tmp_path: Path) -> None:
    """No agent of gpg, say, for each repository."""
    bench.signed()
    await bench.installed()
    ran = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True)
    assert not [line for line in ran.stdout.splitlines() if f"{tmp_path}/packages/" in line]


async def test_what_nobody_signed_is_refused(bench: Apt) -> None:
    """Also when it was signed before."""
    bench.publish("1.0")
    key = bench.signed()
    assert len(await bench.manager.offers(bench.spec, "hello")) == 1
    bench.key = None
    bench.index()
    with pytest.raises(Untrusted, match="main"):
        await bench.manager.offers(bench.spec, "hello")
    key.close()


async def test_what_another_key_signed_is_refused(bench: Apt) -> None:
    """Whatever that key is otherwise trusted with."""
    bench.publish("1.0")
    bench.signed()
    other = debs.Key(bench.home / "other")
    bench.spec = replace(bench.spec, root=str(other.public))
    with pytest.raises(Untrusted, match="main"):
        await bench.manager.offers(bench.spec, "hello")
    other.close()


async def test_a_file_that_is_not_what_the_index_says_is_refused(bench: Apt) -> None:
    """And nothing is kept of it."""
    bench.signed()
    bench.publish("1.0")
    found = await offered(bench, "1.0")
    (file,) = [*bench.place.glob("hello*.deb"), *bench.place.glob("hello*.rpm")]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(Untrusted):
        await bench.manager.install(bench.spec, found, lambda done: None)
    assert await bench.manager.facts([bench.spec]) == []


# --- unpacked -----------------------------------------------------------------------------------------------------


async def test_versions_stand_side_by_side(bench: Apt) -> None:
    """So to go back is a switch."""
    bench.publish("1.0")
    bench.publish("1:0.9")
    one, other = await install(bench, "1.0"), await install(bench, "1!0.9")
    assert one.path != other.path
    assert {found.manifest.version for found in await bench.manager.facts([bench.spec])} == {"1.0", "1!0.9"}
    assert await bench.manager.verify(one, "digests") == []


async def test_the_newest_comes_last_by_the_rules_of_its_distribution(bench: Apt) -> None:
    """An epoch counts more than all that follows it, and `~` comes before the end."""
    for version in ("1.10", "1.9", "1:0.1", "1.10~rc1"):
        bench.package(version)
    bench.index()
    found = [one.manifest.version for one in await bench.manager.offers(bench.spec, "hello")]
    assert found == ["1.9", "1.10rc1", "1.10", "1!0.1"]


async def test_what_is_unpacked_needs_on_the_host_what_it_needs(bench: Apt) -> None:
    """It is refused with the names, before anything comes."""
    bench.package("1.0", "helper")
    bench.package("1.0", fields=["Depends: helper" if type(bench) is Apt else "Requires: helper"])
    bench.index()
    with pytest.raises(Refused, match=r"hello 1\.0 needs what is not on this host: helper"):
        await install(bench, "1.0")


async def test_without_root_all_is_unpacked(within: Apt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may change the system."""
    monkeypatch.setattr("beeyard.adapters.system.manager.os.geteuid", lambda: 1000)
    installed = await within.installed()
    assert Path(installed.path).is_relative_to(within.home / "packages")
    assert not (within.system / "bin/run").exists()


async def test_programs_are_found_where_they_lie(bench: Apt) -> None:
    """The one that has the package's name, or the only one."""
    assert (entry := (await bench.installed()).manifest.process) is not None
    assert entry.executable_path == "bin/run"


# --- in the system ------------------------------------------------------------------------------------------------


async def test_an_install_in_the_system_is_a_fact_and_can_be_taken_back(within: Apt) -> None:
    """Its folder is the system's; what runs from it is not removed."""
    installed = await within.installed()
    assert Path(installed.path) == within.system
    assert (within.system / "bin/run").read_text() == PROGRAM["bin/run"]
    assert await within.manager.facts([within.spec]) == [installed]
    assert await install(within, "1.0") == installed
    await within.manager.use(installed, "web")
    with pytest.raises(Refused, match="web"):
        await within.manager.remove(installed)
    await within.manager.disuse(installed, "web")
    await within.manager.remove(installed)
    assert not (within.system / "bin/run").exists()
    assert await within.manager.facts([within.spec]) == []
    with pytest.raises(NotFound, match=r"hello 1\.0"):
        await within.manager.use(installed, "web")


async def test_another_version_takes_the_place_of_the_one_before(within: Apt) -> None:
    """There is one of each in a system; an older one is taken as well where the policies let it."""
    for version in ("1.0", "2.0"):
        within.package(version)
    within.index()
    for version in ("2.0", "1.0"):
        assert (await install(within, version)).manifest.version == version
        assert [one.manifest.version for one in await within.manager.facts([within.spec])] == [version]


async def test_what_was_there_before_stays_when_it_is_given_back(within: Apt) -> None:
    """It was not ours to remove."""
    within.publish("1.0")
    await install(within, "1.0")
    (within.home / "packages" / "within.json").unlink()
    installed = await install(within, "1.0")
    await within.manager.remove(installed)
    assert (within.system / "bin/run").exists()
    assert await within.manager.facts([within.spec]) == []


async def test_a_file_that_is_gone_is_damage_and_comes_back(within: Apt) -> None:
    """By the system's own records, whatever the tool's exit code says."""
    installed = await within.installed()
    (within.system / "bin/run").unlink()
    missing = Damage("bin/run", "missing")
    assert missing in await within.manager.verify(installed, "digests")
    assert missing in await within.manager.repair(within.spec, installed, lambda done: None)
    assert await within.manager.verify(installed, "digests") == []


async def test_what_an_upgrade_by_hand_left_is_what_counts(within: Apt) -> None:
    """Nobody knows where that came from."""
    installed = await within.installed()
    by_hand = await within.manager.install(replace(within.spec, name="other"), *await newer(within))
    note = within.home / "packages" / "within.json"
    note.write_text(note.read_text().replace(by_hand.manifest.version, installed.manifest.version))
    (found,) = await within.manager.facts([within.spec])
    assert (found.manifest.version, found.trust) == ("2.0", "none")
    with pytest.raises(NotFound):
        await within.manager.use(installed, "web")


async def newer(bench: Apt) -> tuple[Offered, Tell]:
    """Version 2.0, as another repository of the same place offers it."""
    bench.publish("2.0")
    found = await bench.manager.offers(replace(bench.spec, name="other"), "hello")
    return found[-1], lambda done: None


@pytest.mark.needs_apt
async def test_no_package_goes_that_nobody_named(apt: Apt) -> None:
    """It is said which, and nothing was done."""
    apt.package("1.0", "rival")
    apt.package("1.0", fields=["Conflicts: rival"])
    apt.index()
    await install(apt, "1.0", "rival")
    with pytest.raises(Refused, match=r"hello 1\.0 would remove rival"):
        await install(apt, "1.0")
    assert await Dpkg(str(apt.system)).present("hello") is None


@pytest.mark.needs_apt
async def test_what_it_needs_comes_with_it(apt: Apt) -> None:
    """But only as something new: what is there is not changed for it."""
    apt.package("1.0", "helper")
    apt.package("1.0", fields=["Depends: helper"])
    apt.index()
    await install(apt, "1.0")
    assert isinstance(await Dpkg(str(apt.system)).present("helper"), Present)
    apt.package("2.0", "helper")
    apt.package("2.0", fields=["Depends: helper (>= 2)"])
    apt.index()
    with pytest.raises(Refused, match=r"hello 2\.0 would change helper"):
        await install(apt, "2.0")


@pytest.mark.needs_apt
async def test_what_needs_what_nobody_has_is_refused_in_the_tools_words(apt: Apt) -> None:
    """Before anything is done."""
    apt.package("1.0", fields=["Depends: nowhere (>= 3)"])
    apt.index()
    with pytest.raises(Refused, match=r"Depends: nowhere \(>= 3\)"):
        await install(apt, "1.0")


@pytest.mark.needs_apt
async def test_what_is_held_stays_as_it_is(apt: Apt) -> None:
    """The hold is the host's, not ours."""
    await apt.installed()
    hold = ["dpkg", f"--root={apt.system}", "--set-selections"]
    subprocess.run(hold, input=b"hello hold\n", check=True)
    apt.publish("2.0")
    with pytest.raises(Refused, match=r"hello is held at 1\.0 on this host"):
        await install(apt, "2.0")


@pytest.mark.needs_apt
async def test_an_install_that_was_cut_off_before_is_said_with_what_mends_it(apt: Apt) -> None:
    """Beeyard does not go on where somebody else was interrupted."""
    apt.publish("1.0")
    found = await offered(apt, "1.0")
    (apt.system / "var/lib/dpkg/updates/0001").write_text("Package: other\nStatus: install ok unpacked\n")
    with pytest.raises(Refused) as refused:
        await apt.manager.install(apt.spec, found, lambda done: None)
    assert (refused.value.code, refused.value.hint) == ("system_interrupted", "run as root: dpkg --configure -a")


async def test_progress_is_told_while_it_works(within: Apt) -> None:
    """It grows to the whole, which is that of all that comes."""
    within.package("1.0", "helper")
    within.package("1.0", fields=["Depends: helper" if type(within) is Apt else "Requires: helper"])
    within.index()
    found, told = await offered(within, "1.0"), list[int | str]()
    await within.manager.install(within.spec, found, told.append)
    assert told == sorted(told, key=int)
    assert len(set(told)) > 2
    assert told[-1] == found.size


@pytest.mark.needs_apt
async def test_configuration_that_somebody_changed_stays(apt: Apt) -> None:
    """And nobody is asked."""
    for version in ("1.0", "2.0"):
        files = {**PROGRAM, CONFIGURED.lstrip("/"): f"by version {version}\n", "DEBIAN/conffiles": f"{CONFIGURED}\n"}
        debs.deb(apt.place, "hello", version, files)
    apt.index()
    await install(apt, "1.0")
    (apt.system / CONFIGURED.lstrip("/")).write_text("by ann\n")
    await install(apt, "2.0")
    assert (apt.system / CONFIGURED.lstrip("/")).read_text() == "by ann\n"


async def test_a_cancelled_install_is_finished_by_the_tool(within: Apt) -> None:
    """A kill in the middle would leave a system that somebody has to mend. The next try finds it done."""
    within.publish("1.0")
    found, begun = await offered(within, "1.0"), asyncio.Event()
    installing = asyncio.create_task(within.manager.install(within.spec, found, lambda done: begun.set()))
    await begun.wait()
    installing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await installing
    assert (within.system / "bin/run").exists()
    installed = await install(within, "1.0")
    assert await within.manager.verify(installed, "digests") == []
    await within.manager.remove(installed)
    assert not (within.system / "bin/run").exists()


@pytest.mark.needs_apt
async def test_reprepro_and_apt_agree_on_what_there_is(apt: Apt) -> None:
    """A repository with suites and components, as they are kept elsewhere."""
    key = debs.Key(apt.home / "gpg")
    place = apt.home / "kept"
    (place / "conf").mkdir(parents=True)
    about = "Codename: bookworm\nComponents: main extra\nArchitectures: amd64\n"
    (place / "conf" / "distributions").write_text(about)
    file = debs.deb(apt.place, "hello", "2:1.0-3", PROGRAM, fields=["Section: misc", "Priority: optional"])
    asked = ["reprepro", "-b", str(place), "-C", "extra", "includedeb", "bookworm", str(file)]
    subprocess.run(asked, check=True, capture_output=True)
    release = place / "dists" / "bookworm" / "Release"
    key.sign(release, release.with_name("InRelease"))
    apt.spec = replace(
        apt.spec, path=str(place), suite="bookworm", components=("main", "extra"), trust="gpg", root=str(key.public)
    )
    assert [one.manifest.version for one in await apt.manager.offers(apt.spec, "hello")] == ["2!1.0+3"]
    assert (await install(apt, "2!1.0+3")).trust == "signature"
    key.close()


@pytest.mark.needs_apt
def test_no_host_configuration_is_read(apt: Apt) -> None:
    """But for the host's own sources."""
    folder = apt.home / "private"
    folder.mkdir()
    apt_sources.write(apt.spec, folder)
    env = {"APT_CONFIG": str(folder / "apt.conf"), "PATH": "/usr/bin"}
    shown = subprocess.run(["apt-config", "dump"], check=True, env=env, capture_output=True)
    etc = re.findall(r'^Dir::Etc::\w+ "(.*)";', shown.stdout.decode(), re.MULTILINE)
    assert etc
    assert [path for path in etc if path and not path.startswith(str(folder))] == []
