"""What every package manager does, however packages arrive; where one differs, its bench says how."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.errors import Invalid, NotFound, Refused, Unavailable
from beeyard.domain.sources import RepositorySpec
from beeyard.ports.package_store import Damage, Reclaimed
from tests import registries
from tests.package_benches import Apt, Bench, Binary, Directory, Dnf, Oci, OciOfDebian, Python, PythonIndex, a_folder

_no_registry = pytest.mark.skipif(registries.DEBIAN is None, reason="needs docker-registry, as Debian has it")


@pytest.fixture(
    params=[
        Binary,
        Directory,
        Oci,
        pytest.param(OciOfDebian, marks=_no_registry),
        pytest.param(Apt, marks=pytest.mark.needs_apt),
        pytest.param(Dnf, marks=pytest.mark.needs_dnf),
        Python,
        PythonIndex,
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each in its turn."""
    made: Bench = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """For what only a directory does."""
    return Directory(tmp_path)


async def test_what_is_offered_can_be_installed_and_is_then_a_fact(bench: Bench) -> None:
    """With the same manifest and the same digest; to install it again changes nothing."""
    installed = await bench.installed()
    (offered,) = await bench.manager.offers(bench.spec, "hello")
    assert (offered.manifest, offered.digest, offered.repository) == (installed.manifest, installed.digest, "main")
    assert Path(installed.path, "bin/run").read_text().startswith("#!/bin/sh")
    assert await bench.manager.install(bench.spec, offered, lambda done: None) == installed
    assert await bench.manager.facts([bench.spec]) == [installed]


async def test_every_version_and_every_name_is_offered(bench: Bench) -> None:
    """Of a name nobody knows there is nothing; that is no error."""
    assert (await bench.manager.catalog(bench.spec), await bench.manager.facts([bench.spec])) == ([], [])
    for version, name in (("1.0", "hello"), ("2.0", "hello"), ("1.0", "other")):
        bench.publish(version, name)
    assert sorted(one.manifest.version for one in await bench.manager.offers(bench.spec, "hello")) == ["1.0", "2.0"]
    assert await bench.manager.catalog(bench.spec) == ["hello", "other"]
    assert await bench.manager.offers(bench.spec, "nobody") == []


async def test_another_hosts_build_is_told_and_never_installed(bench: Bench) -> None:
    """It has no digest."""
    bench.publish("1.0", platform="linux-sparc")
    (offered,) = await bench.manager.offers(bench.spec, "hello")
    assert (offered.manifest.platform, offered.digest) == ("linux-sparc", "")
    assert await bench.manager.facts([bench.spec]) == []


async def test_a_new_manager_knows_what_an_earlier_one_installed(bench: Bench) -> None:
    """What is there is there, whoever brought it."""
    installed = await bench.installed()
    other = bench.made()
    await other.wake()
    assert await other.facts([bench.spec]) == [installed]


async def test_nobody_vouches_for_what_is_not_signed(bench: Bench) -> None:
    """An archive is at least checked against its description."""
    assert (await bench.installed()).trust == ("checksum" if bench.copies else "none")


async def test_a_repository_that_is_gone_is_unavailable_and_what_is_installed_is_not(bench: Bench) -> None:
    """A directory is its own repository: what was there is gone with it."""
    installed = await bench.installed()
    bench.vanish()
    with pytest.raises(Unavailable, match="main"):
        await bench.manager.offers(bench.spec, "hello")
    assert await bench.manager.facts([bench.spec]) == ([installed] if bench.copies else [])


async def test_a_program_that_is_not_there_is_damage(bench: Bench) -> None:
    """A copy can be made whole again; a folder is mended by whoever owns it."""
    installed = await bench.installed()
    manager, program = bench.manager, Path(installed.path, "bin/run")
    assert await manager.verify(installed, "digests") == []
    assert await manager.repair(bench.spec, installed, lambda done: None) == []
    os.chmod(program.parent, 0o755)
    program.unlink()
    missing = Damage("bin/run", "missing")
    assert missing in await manager.verify(installed, "digests")
    if bench.copies:
        assert missing in await manager.repair(bench.spec, installed, lambda done: None)
        assert await manager.verify(installed, "digests") == []
    else:
        with pytest.raises(Refused, match="Beeyard changes nothing there"):
            await manager.repair(bench.spec, installed, lambda done: None)


async def test_what_is_in_use_is_not_removed(bench: Bench) -> None:
    """What nobody uses goes; but no folder that Beeyard did not make."""
    installed = await bench.installed()
    manager = bench.manager
    await manager.use(installed, "web")
    with pytest.raises(Refused):
        await manager.remove(installed)
    await manager.disuse(installed, "web")
    if not bench.copies:
        with pytest.raises(Refused, match=f"hello 1.0 is the folder {installed.path} as it stands"):
            await manager.remove(installed)
        shutil.rmtree(installed.path)
    else:
        await manager.remove(installed)
    assert await manager.facts([bench.spec]) == []
    with pytest.raises(NotFound, match=r"hello 1\.0"):
        await manager.use(installed, "web")


async def test_only_copies_are_collected(bench: Bench) -> None:
    """A folder belongs to whoever wrote it."""
    for version in ("1.0", "2.0"):
        installed = await bench.installed(version)
    assert (await bench.manager.collect(frozenset(), keep=1, dry_run=True)).packages == ()  # Fresh ones stay.
    assert await bench.manager.collect(frozenset({installed.digest}), keep=1, dry_run=False) == Reclaimed((), 0)
    assert len(await bench.manager.facts([bench.spec])) == 2


async def test_a_copy_is_held_and_a_folder_stays_anyway(bench: Bench) -> None:
    """Both say why."""
    held = await bench.manager.hold(await bench.installed(), "ann wants it")
    assert held.held == ("ann wants it" if bench.copies else "as it stands in main")


# --- folders as they stand --------------------------------------------------------------------------------------------


async def test_a_folder_is_what_it_is_just_now(directory: Directory) -> None:
    """A changed file makes another build of it, a changed package file another version."""
    installed = await directory.installed()
    folder = Path(installed.path)
    (folder / "bin" / "run").write_text("#!/bin/sh\nexec sleep 2000\n")
    (changed,) = await directory.manager.facts([directory.spec])
    assert (changed.digest != installed.digest, changed.manifest) == (True, installed.manifest)
    about = folder / "package.yaml"
    about.write_text(about.read_text().replace("1.0", "1.1"))
    (newer,) = await directory.manager.facts([directory.spec])
    assert newer.manifest.version == "1.1"


async def test_a_folder_with_a_package_file_is_one_package(directory: Directory) -> None:
    """What lies below it belongs to it."""
    folder = directory.publish("1.0")
    a_folder(folder / "vendor", "9.9", "inner")
    spec = replace(directory.spec, path=str(folder))
    assert await directory.manager.catalog(spec) == ["hello"]


async def test_a_wrong_package_file_is_told_to_who_asks_and_hides_nothing_else(directory: Directory) -> None:
    """What is there of other packages stays a fact: workers run from it."""
    installed = await directory.installed()
    (directory.publish("2.0") / "package.yaml").write_text("name: hello\n")
    assert await directory.manager.facts([directory.spec]) == [installed]
    with pytest.raises(Invalid) as invalid:
        await directory.manager.offers(directory.spec, "hello")
    assert "version" in str(invalid.value.problems[0])


async def test_two_folders_are_never_the_same_version(directory: Directory) -> None:
    """Nobody could tell which one is meant."""
    shutil.copytree(directory.publish("1.0"), directory.place / "twin")
    with pytest.raises(Invalid, match=r"hello 1\.0 lies in .*hello-1\.0 and in .*twin"):
        await directory.manager.offers(directory.spec, "hello")


async def test_a_folder_takes_no_name_that_belongs_elsewhere(directory: Directory) -> None:
    """Names are bound to repositories, also where nothing has to be brought."""
    directory.publish("1.0")
    directory.publish("1.0", "other")
    elsewhere = RepositorySpec("signed", path="/nowhere", root="/nowhere", packages=("hello",))
    found = await directory.manager.facts([directory.spec, elsewhere])
    assert [one.manifest.name for one in found] == ["other"]


@pytest.mark.parametrize(
    ("hurt", "what"),
    [
        (lambda program: program.chmod(0o644), "mode"),
        (lambda program: (program.unlink(), program.mkdir()), "kind"),
    ],
)
async def test_a_program_that_cant_be_run_is_damage(
    directory: Directory, hurt: Callable[[Path], object], what: str
) -> None:
    """However it came to be so."""
    installed = await directory.installed()
    hurt(Path(installed.path, "bin/run"))
    assert await directory.manager.verify(installed, "sizes") == [Damage("bin/run", what)]
