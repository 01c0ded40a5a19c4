"""What every package store does, wherever ever its packages lie."""

import asyncio
import itertools
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from beeyard.adapters.archives import unpack as archives
from beeyard.adapters.archives.pack import pack
from beeyard.adapters.package_store import GRACE, FolderStore
from beeyard.domain.errors import Invalid, NotFound, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.packages import Check, Description, Receipt
from beeyard.domain.values import human_memory
from beeyard.ports.package_store import Damage, Depth, PackageStore, Reclaimed
from tests.packing import FILES, Content, a_package, unpack

NOW = 1_000_000.0


class Time:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """What the store takes for the time."""
    return Time()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the store keeps everything."""
    return tmp_path / "packages"


@pytest.fixture
def store(root: Path, time: Time) -> FolderStore:
    """An empty store, its unpacker an honest one, its patience short."""
    return FolderStore(root, unpack, now=time, patience=0.05)


async def installed(store: PackageStore, folder: Path, version: str = "1.0.0", *, name: str = "caddy") -> Receipt:
    """A package that is there."""
    description, payload = a_package(folder, version, name=name)
    async with store.locked(name):
        return await store.install(description, payload, "main", "tuf")


def everything(root: Path, *inside: str) -> set[str]:
    """What lies in these folders, by path."""
    return {str(path.relative_to(root)) for folder in inside or os.listdir(root) for path in (root / folder).rglob("*")}


async def test_a_new_store_is_empty(store: PackageStore, tmp_path: Path) -> None:
    """Nothing is installed, nothing can be collected, and there is nothing to recover."""
    store.recover()
    assert store.receipts() == []
    assert store.find("caddy", "1.0.0") is None
    assert await store.collect(frozenset(), keep=0, dry_run=False) == Reclaimed((), 0)


async def test_what_is_installed_is_there_whole_and_read_only(store: PackageStore, tmp_path: Path) -> None:
    """Bytes, links and modes are the description's, whatever the archive and the umask said."""
    before = os.umask(0o077)
    try:
        receipt = await installed(store, tmp_path)
    finally:
        os.umask(before)
    assert (receipt.repository, receipt.trust, receipt.installed_at, receipt.held) == ("main", "tuf", NOW, "")
    assert store.receipts() == [receipt]
    assert store.find("caddy", "1.0.0") == receipt
    assert store.find("caddy", "2.0.0") is store.find("other", "1.0.0") is None
    folder = Path(store.path(receipt))
    assert folder.is_absolute()
    assert (folder / "README").read_bytes() == FILES["README"]
    assert os.readlink(folder / "bin/start") == "serve"
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}
    del modes["bin/start"]
    assert modes == {
        ".": 0o555,
        "README": 0o444,
        "VERSION": 0o444,
        "bin": 0o555,
        "bin/serve": 0o555,
        "share": 0o555,
        "share/empty": 0o444,
        "share/deep": 0o555,
        "share/deep/data": 0o444,
    }
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o755
    for depth in ("receipt", "sizes", "digests"):
        assert await store.verify(receipt, depth) == []


async def test_an_archive_of_ours_is_installed_and_repaired(root: Path, tmp_path: Path) -> None:
    """By the unpacker that packages are unpacked with, in a process of its own."""
    description, plain = a_package(tmp_path)
    (tmp_path / "files").mkdir()
    await unpack(plain, description, str(tmp_path / "files"))
    payload = str(tmp_path / "caddy.tar.zst")
    description = structs.replace(description, payload=pack(str(tmp_path / "files"), description.files, payload))
    store = FolderStore(root, archives.unpack)
    async with store.locked("caddy"):
        receipt = await store.install(description, payload, "main", "tuf")
        assert await store.verify(receipt, "digests") == []
        hurt(Path(store.path(receipt)), "deleted")
        assert await store.repair(receipt, payload) == [Damage("README", "missing")]
    assert await store.verify(receipt, "digests") == []
    assert everything(root, "staging", "trash") == set()


async def test_another_process_sees_the_same(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """All there is to know lies in the folder."""
    receipt = await installed(store, tmp_path)
    assert FolderStore(root, unpack).receipts() == [receipt]


async def test_installing_twice_is_harmless(root: Path, store: PackageStore, tmp_path: Path, time: Time) -> None:
    """The first receipt stands, and nothing is unpacked: not even the payload is needed."""
    receipt = await installed(store, tmp_path)
    time.now += 5
    async with store.locked("caddy"):
        again = await store.install(receipt.description, str(tmp_path / "gone"), "other", "checksum")
    assert again == receipt
    assert everything(root, "staging", "trash") == set()


async def test_a_better_repository_may_vouch_for_the_same_files(store: PackageStore, tmp_path: Path) -> None:
    """The receipt says so from then on, and the files stay as they are."""
    description, payload = a_package(tmp_path)
    async with store.locked("caddy"):
        weak = await store.install(description, payload, "mirror", "checksum")
        strong = await store.install(description, payload, "main", "tuf")
    assert (weak.repository, weak.trust, strong.repository, strong.trust) == ("mirror", "checksum", "main", "tuf")
    assert store.receipts() == [strong]


async def test_versions_stand_side_by_side(store: PackageStore, tmp_path: Path) -> None:
    """They are told in the order of their versions, and removing one leaves the other."""
    second, first = await installed(store, tmp_path, "1.10.0"), await installed(store, tmp_path, "1.9.0")
    assert store.receipts() == [first, second]
    async with store.locked("caddy"):
        await store.remove(first)
        await store.remove(first)
    assert store.receipts() == [second]
    assert await store.verify(second, "digests") == []


async def test_the_last_build_of_a_version_is_the_one_found(store: PackageStore, tmp_path: Path, time: Time) -> None:
    """Both are there, for something may run from either."""
    await installed(store, tmp_path)
    time.now += 1
    description, payload = a_package(tmp_path, files={"bin/serve": (b"another build",)})
    async with store.locked("caddy"):
        later = await store.install(description, payload, "main", "tuf")
    assert store.find("caddy", "1.0.0") == later
    assert len(store.receipts()) == 2


async def test_a_removed_package_leaves_nothing(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """Neither receipt nor files nor a folder of its name."""
    receipt = await installed(store, tmp_path)
    async with store.locked("caddy"):
        await store.remove(receipt)
    assert store.receipts() == []
    assert everything(root, "store", "receipts", "staging", "trash", "quarantine") == set()
    assert await store.verify(receipt, "receipt") == [Damage(".", "missing")]


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ({**FILES, "README": b"read me!"}, "README (changed)"),
        ({**FILES, "README": b"READ ME\n"}, "README (changed)"),
        ({**FILES, "more": b""}, "more (missing)"),
        ({**FILES, "readme": b"read me\n"}, "readme (missing)"),
        ({path: FILES[path] for path in FILES if path != "README"}, "README (extra)"),
        ({**FILES, "bin/start": "elsewhere"}, "bin/start (link)"),
        ({**FILES, "bin/start": b"serve"}, "bin/start (kind)"),
        ({**FILES, "README": "bin"}, "README (kind)"),
        ({path: FILES[path] for path in FILES if not path.startswith("share")}, "share (extra)"),
    ],
)
async def test_an_archive_that_holds_something_else_is_not_installed(
    root: Path, store: PackageStore, tmp_path: Path, described: dict[str, bytes], told: str
) -> None:
    """Whatever the unpacker let pass; and nothing of it stays."""
    old = await installed(store, tmp_path, "0.9.0")
    description, payload = a_package(tmp_path, described=described)
    with pytest.raises(Untrusted) as refused:
        async with store.locked("caddy"):
            await store.install(description, payload, "main", "tuf")
    assert str(refused.value) == f"caddy 1.0.0 does not hold what its description says: {told}"
    assert store.receipts() == [old]
    assert everything(root, "staging", "trash") == set()
    assert os.listdir(root / "store" / "caddy") == [old.description.folder]


async def test_what_fails_its_own_check_is_not_installed(root: Path, tmp_path: Path) -> None:
    """Before anybody can see it; and nothing of it, or of what it wrote, stays."""
    seen: list[str] = []

    def failing(description: Description, tree: Path, room: Path) -> None:
        seen.extend([*os.listdir(root / "store"), *sorted(os.listdir(tree))])
        (room / "made").write_text("by the check")
        raise Rejected("package_check_failed", "it does not run")

    store = FolderStore(root, unpack, check=failing)
    with pytest.raises(Rejected, match="it does not run"):
        await checked(store, tmp_path)
    assert seen == ["README", "VERSION", "bin", "share"]
    assert (store.receipts(), everything(root, "staging", "trash")) == ([], set())


async def test_a_check_that_changes_its_package_is_found_out(root: Path, tmp_path: Path) -> None:
    """Where the kernel can't keep it from that: what was compared before is compared again."""
    store = FolderStore(root, unpack, check=lambda description, tree, room: (tree / "left").write_text("behind"))
    with pytest.raises(Untrusted, match=r"left \(extra\)"):
        await checked(store, tmp_path)
    assert store.receipts() == []


async def checked(store: FolderStore, folder: Path) -> None:
    """Install what has a check."""
    description, payload = a_package(folder)
    manifest = structs.replace(description.manifest, check=Check(("bin/serve",), "1.0.0"))
    async with store.locked("caddy"):
        await store.install(structs.replace(description, manifest=manifest), payload, "main", "tuf")


async def test_a_file_shared_with_the_outside_is_refused(root: Path, tmp_path: Path) -> None:
    """Whoever has the other name could change what was checked, and sealing it would change theirs."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"read me\n")
    outside.chmod(0o600)

    async def linking(payload: str, description: Description, into: str) -> None:
        await unpack(payload, description, into)
        os.unlink(os.path.join(into, "README"))
        os.link(outside, os.path.join(into, "README"))

    store = FolderStore(root, linking)
    with pytest.raises(Untrusted, match=r"README \(kind\)"):
        await installed(store, tmp_path)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert store.receipts() == []


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("caddy", "../../../escaped", "that is no version"),
        ("caddy", "1/../2", "that is no version"),
        ("..", "1.0.0", "no package may have this name"),
        ("a/b", "1.0.0", "no package may have this name"),
    ],
)
async def test_no_folder_is_made_of_a_name_that_leads_elsewhere(
    root: Path, store: PackageStore, tmp_path: Path, name: str, version: str, reason: str
) -> None:
    """Descriptions come from outside; some repositories sign nothing."""
    description, payload = a_package(tmp_path)
    manifest = type(description.manifest)(name, version)
    with pytest.raises(Untrusted, match=rf"can't be installed: {reason}$"):
        async with store.locked(name):
            await store.install(type(description)(manifest, (), description.payload), payload, "main", "none")
    assert everything(root, "store", "staging", "receipts") == set()


async def test_no_room_is_told_in_numbers_before_anything_is_written(
    root: Path, store: PackageStore, tmp_path: Path, time: Time
) -> None:
    """And what a collection would free, of what is old enough."""
    for version in ("0.1", "0.2", "0.3"):
        receipt = await installed(store, tmp_path, version)
    time.now += GRACE + 1
    description, payload = a_package(tmp_path, min_disk=2**62)
    before = everything(root)
    with pytest.raises(Rejected) as refused:
        async with store.locked("caddy"):
            await store.install(description, payload, "main", "tuf")
    fields = refused.value.fields
    assert (refused.value.code, fields["package"]) == ("package_no_room", "caddy 1.0.0")
    assert (fields["need"], fields["reclaimable"]) == ("4194304.0 TB", human_memory(receipt.description.size))
    assert str(refused.value) == (
        f"caddy 1.0.0 needs {fields['need']} and {fields['free']} is free, {fields['lacking']} too little; "
        f"`beeyard package gc` frees {fields['reclaimable']} at most"
    )
    assert everything(root) == before


async def test_a_cancelled_install_leaves_nothing(root: Path, tmp_path: Path) -> None:
    """Wherever it was: its lock is free, and staging is empty."""
    began, going_on = asyncio.Event(), asyncio.Event()

    async def slow(payload: str, description: Description, into: str) -> None:
        await unpack(payload, description, into)
        began.set()
        await going_on.wait()

    store = FolderStore(root, slow)
    installing = asyncio.create_task(installed(store, tmp_path))
    await began.wait()
    installing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await installing
    assert store.receipts() == []
    assert everything(root, "store", "staging", "trash", "receipts") == set()
    going_on.set()
    assert (await installed(store, tmp_path)) == store.find("caddy", "1.0.0")


async def test_cancelled_at_any_step_it_is_all_or_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that has begun is finished first; nobody works on under a lock that somebody else may hold by then."""
    run = asyncio.to_thread
    counted, at_work, outcomes = 0, 0, []

    async def cancelling(work: Callable[..., object], *arguments: object) -> object:
        nonlocal counted, at_work
        counted += 1
        at_work += 1
        if counted == fatal:
            installing.cancel()
            await asyncio.sleep(0)
        try:
            return await run(work, *arguments)
        finally:
            at_work -= 1

    monkeypatch.setattr(asyncio, "to_thread", cancelling)
    store = FolderStore(root, unpack)
    for fatal in itertools.count(1):
        counted = 0
        installing = asyncio.create_task(installed(store, tmp_path))
        await asyncio.wait([installing])
        assert (at_work, everything(root, "staging")) == (0, set())
        outcomes.append((installing.cancelled(), bool(store.receipts())))
        fatal = 0
        for receipt in store.receipts():
            assert await store.verify(receipt, "digests") == []
            async with store.locked("caddy"):
                await store.remove(receipt)
        store.recover()
        assert everything(root, "store", "trash") == set()
        if not outcomes[-1][0]:
            break
    assert list(dict.fromkeys(outcomes)) == [(True, False), (True, True), (False, True)]


def hurt(folder: Path, how: str) -> None:
    """Damage what is installed, and leave all other modes as they were."""
    inner = [folder / path for path in (".", "bin", "share", "share/deep")]
    for each in inner:
        each.chmod(0o755)
    _hurt(folder, how)
    for each in inner:
        if each.is_dir() and how != f"open {'top' if each == folder else each.name}":
            each.chmod(0o555)


def _hurt(folder: Path, how: str) -> None:
    readme, data = folder / "README", folder / "share/deep/data"
    match how:
        case "deleted":
            readme.unlink()
        case "grown":
            readme.chmod(0o644)
            readme.write_bytes(b"read me\n" * 2)
            readme.chmod(0o444)
        case "flipped":
            times = data.stat()
            data.chmod(0o644)
            with data.open("r+b") as file:
                file.write(b"\xff")
            data.chmod(0o444)
            os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "added":
            (folder / "share/deep/more").write_bytes(b"")
        case "added folder":
            (folder / "more").mkdir()
            (folder / "more" / "inside").write_bytes(b"")
        case "renamed":
            readme.rename(folder / "readme")
        case "writable":
            readme.chmod(0o644)
        case "setuid":
            (folder / "bin/serve").chmod(0o4555)
        case "linked":
            (folder / "bin/start").unlink()
            (folder / "bin/start").symlink_to("/bin/sh")
        case "file to link":
            readme.unlink()
            readme.symlink_to("VERSION")
        case "file to folder":
            readme.unlink()
            readme.mkdir()
        case "folder to link":
            shutil.move(folder / "share", folder.parent / "elsewhere")
            (folder / "share").symlink_to(folder.parent / "elsewhere")
        case "file to pipe":
            readme.unlink()
            os.mkfifo(readme)
        case "emptied":
            readme.chmod(0o644)
            readme.write_bytes(b"")
            readme.chmod(0o444)
        case "lost":
            shutil.rmtree(folder)


DAMAGES: dict[str, list[Damage]] = {
    "deleted": [Damage("README", "missing")],
    "grown": [Damage("README", "changed")],
    "flipped": [Damage("share/deep/data", "changed")],
    "added": [Damage("share/deep/more", "extra")],
    "added folder": [Damage("more", "extra")],
    "renamed": [Damage("README", "missing"), Damage("readme", "extra")],
    "writable": [Damage("README", "mode")],
    "setuid": [Damage("bin/serve", "mode")],
    "open share": [Damage("share", "mode")],
    "open top": [Damage(".", "mode")],
    "linked": [Damage("bin/start", "link")],
    "file to link": [Damage("README", "kind")],
    "file to folder": [Damage("README", "kind")],
    "folder to link": [
        Damage("share", "kind"),
        Damage("share/deep/data", "missing"),
        Damage("share/empty", "missing"),
    ],
    "file to pipe": [Damage("README", "kind")],
    "emptied": [Damage("README", "changed")],
    "lost": [Damage(".", "missing")],
}


@pytest.mark.parametrize("how", DAMAGES)
async def test_damage_is_found_and_mended(root: Path, store: PackageStore, tmp_path: Path, how: str) -> None:
    """As deep as was asked for; the damaged one is kept aside, and the whole one is another tree, not a patched one."""
    receipt = await installed(store, tmp_path)
    other = await installed(store, tmp_path, "2.0.0")
    folder = Path(store.path(receipt))
    hurt(folder, how)
    expected = DAMAGES[how]
    depths: dict[Depth, list[Damage]] = {
        "receipt": expected if how == "lost" else [],
        "sizes": [] if how == "flipped" else expected,
        "digests": expected,
    }
    for depth, damage in depths.items():
        assert await store.verify(receipt, depth) == damage
    damaged = folder.stat().st_ino if folder.exists() else None
    kept = root / "quarantine" / f"caddy-{receipt.description.folder}"
    _, payload = a_package(tmp_path)
    async with store.locked("caddy"):
        assert await store.repair(receipt, payload) == expected
        assert await store.repair(receipt, str(tmp_path / "not needed")) == []
    assert await store.verify(receipt, "digests") == await store.verify(other, "digests") == []
    assert (kept.stat().st_ino if damaged else None) == damaged
    assert everything(root, "staging", "trash") == set()
    store.recover()
    assert store.receipts() == [receipt, other]
    assert {path.name for path in (root / "store/caddy").iterdir()} - {"elsewhere"} == {
        receipt.description.folder,
        other.description.folder,
    }


async def test_a_repair_that_fails_changes_nothing(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """The damaged one stays where it is, to be tried again."""
    receipt = await installed(store, tmp_path)
    folder = Path(store.path(receipt))
    folder.chmod(0o755)
    (folder / "README").unlink()
    folder.chmod(0o555)
    _, wrong = a_package(tmp_path, "2.0.0")
    async with store.locked("caddy"):
        with pytest.raises(Untrusted, match=r"VERSION \(changed\)"):
            await store.repair(receipt, wrong)
    assert await store.verify(receipt, "digests") == [Damage("README", "missing")]
    assert everything(root, "staging", "trash", "quarantine") == set()


async def test_repair_is_for_what_is_installed(store: PackageStore, tmp_path: Path) -> None:
    """Somebody may have removed it meanwhile: nothing comes back by itself."""
    receipt = await installed(store, tmp_path)
    _, payload = a_package(tmp_path)
    async with store.locked("caddy"):
        await store.remove(receipt)
        with pytest.raises(NotFound, match=r"^caddy 1\.0\.0 is not installed$"):
            await store.repair(receipt, payload)
        with pytest.raises(NotFound, match=r"^caddy 1\.0\.0 is not installed$"):
            await store.hold(receipt, "wanted")
    assert store.receipts() == []


async def test_what_an_owner_uses_is_not_removed(store: PackageStore, tmp_path: Path, time: Time) -> None:
    """Until the last owner says that it is done; each may say so twice."""
    receipt = await installed(store, tmp_path)
    time.now += GRACE + 1
    for owner in ("worker web", "worker web", "worker db"):
        await store.use(receipt, owner)
    for owner in ("worker web", "worker db"):
        async with store.locked("caddy"):
            with pytest.raises(Refused, match=r"^caddy 1\.0\.0 is in use by worker (web|db)$"):
                await store.remove(receipt)
        assert await store.collect(frozenset(), keep=0, dry_run=False) == Reclaimed((), 0)
        await store.disuse(receipt, owner)
        await store.disuse(receipt, owner)
    assert (await store.collect(frozenset(), keep=0, dry_run=False)).packages == (("caddy", "1.0.0"),)
    with pytest.raises(NotFound, match=r"^caddy 1\.0\.0 is not installed$"):
        await store.use(receipt, "worker web")


async def test_a_use_ends_with_its_process(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """Another process with the same pid, later on, is another one."""
    receipt = await installed(store, tmp_path)
    ours = f'{{"start":1,"uses":[{{"digest":"{receipt.description.digest}","owner":"worker web"}}]}}'
    (root / "roots" / f"{os.getpid()}.json").write_text(ours)
    (root / "roots" / "4194305.json").write_text(ours)
    async with store.locked("caddy"):
        await store.remove(receipt)
    assert store.receipts() == []
    store.recover()
    assert os.listdir(root / "roots") == []


async def test_a_registration_nobody_can_read_keeps_everything(
    root: Path, store: PackageStore, tmp_path: Path, time: Time
) -> None:
    """As long as its process lives, for what that one uses is not known. Others can still be installed."""
    receipt = await installed(store, tmp_path)
    time.now += GRACE + 1
    (root / "roots" / f"{os.getpid()}.json").write_text("{")
    store.recover()
    async with store.locked("caddy"):
        with pytest.raises(Unavailable, match="does not tell what process"):
            await store.remove(receipt)
    with pytest.raises(Unavailable, match="does not tell what process"):
        await store.collect(frozenset(), keep=0, dry_run=False)
    second = await installed(store, tmp_path, "2.0.0")
    description, payload = a_package(tmp_path, "3.0.0", min_disk=2**62)
    with pytest.raises(Rejected, match=r"frees 0 B at most$"):
        async with store.locked("caddy"):
            await store.install(description, payload, "main", "tuf")
    assert store.receipts() == [receipt, second]


TELL = "print(flush=True); input()"


@pytest.mark.parametrize("way", ["exe", "cwd", "argument", "map"])
async def test_what_runs_is_not_removed(store: PackageStore, tmp_path: Path, time: Time, way: str) -> None:
    """Although nobody registered it: the kernel knows."""
    shell = Path("/bin/sh").resolve().read_bytes()
    files: dict[str, Content] = {"bin/serve": (shell,), "script": b"read line\n", "library": b"\0" * 8192}
    description, payload = a_package(tmp_path, files=files)
    async with store.locked("caddy"):
        receipt = await store.install(description, payload, "main", "tuf")
    time.now += GRACE + 1
    folder = Path(store.path(receipt))
    mapping = f"import mmap,os; m=mmap.mmap(os.open('library',0),0,prot=1); os.chdir('/'); {TELL}"
    command, cwd = {
        "exe": ([str(folder / "bin/serve"), "-c", "echo; read line"], "/"),
        "cwd": (["/bin/sh", "-c", "echo; read line"], str(folder)),
        "argument": (["/bin/sh", "-c", "echo; read line", str(folder / "script")], "/"),
        "map": ([sys.executable, "-c", mapping], str(folder)),
    }[way]
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        async with store.locked("caddy"):
            with pytest.raises(Refused, match=rf"^caddy 1\.0\.0 is in use by process {process.pid}$"):
                await store.remove(receipt)
        assert await store.collect(frozenset(), keep=0, dry_run=False) == Reclaimed((), 0)
    finally:
        process.communicate()
    assert (await store.collect(frozenset(), keep=0, dry_run=False)).packages == (("caddy", "1.0.0"),)


async def test_a_collection_takes_only_what_is_of_no_use(
    root: Path, store: PackageStore, tmp_path: Path, time: Time
) -> None:
    """Not what is needed, held, used, among the newest, or of the last hour; a dry run tells the very same."""
    old = {version: await installed(store, tmp_path, version) for version in ("1.0", "1.1", "1.2", "1.9", "1.10")}
    other = await installed(store, tmp_path, name="other")
    time.now += GRACE + 1
    fresh = await installed(store, tmp_path, "0.1")
    async with store.locked("caddy"):
        held = await store.hold(old["1.1"], "somebody asked for it")
    await store.use(old["1.2"], "worker web")
    needed = frozenset({old["1.0"].description.digest})

    async def collected(keep: int, *, dry_run: bool) -> tuple[tuple[tuple[str, str], ...], int]:
        reclaimed = await store.collect(needed, keep=keep, dry_run=dry_run)
        return reclaimed.packages, reclaimed.size

    assert await collected(2, dry_run=True) == ((), 0)
    size = old["1.9"].description.size
    assert await collected(1, dry_run=True) == ((("caddy", "1.9"),), size)
    assert len(store.receipts()) == 7
    assert await collected(1, dry_run=False) == ((("caddy", "1.9"),), size)
    kept = [fresh, old["1.0"], held, old["1.2"], old["1.10"]]
    assert store.receipts() == [*kept, other]
    assert await collected(0, dry_run=True) == (
        (("caddy", "1.10"), ("other", "1.0.0")),
        old["1.10"].description.size + other.description.size,
    )
    assert (await collected(0, dry_run=False))[0] == (("caddy", "1.10"), ("other", "1.0.0"))
    assert store.receipts() == kept[:4]
    assert everything(root, "trash", "staging") == set()
    async with store.locked("caddy"):
        assert await store.hold(held, "") == old["1.1"]
    assert await collected(0, dry_run=True) == ((("caddy", "1.1"),), old["1.1"].description.size)
    await store.disuse(old["1.2"], "worker web")


async def test_a_collection_takes_what_was_left_half_done(root: Path, store: PackageStore) -> None:
    """A master runs for months, and recovers but once; a dry run takes nothing."""
    (root / "staging" / "left").mkdir()
    await store.collect(frozenset(), keep=0, dry_run=True)
    assert os.listdir(root / "staging") == ["left"]
    await store.collect(frozenset(), keep=0, dry_run=False)
    assert everything(root, "staging", "trash") == set()


async def test_a_collection_waits_for_who_installs(store: PackageStore, tmp_path: Path) -> None:
    """For a while; then it says so, and took nothing. A dry run need not wait."""
    await installed(store, tmp_path)
    async with store.locked("other"):
        with pytest.raises(Unavailable, match="packages are being installed or removed"):
            await store.collect(frozenset(), keep=0, dry_run=False)
        await store.collect(frozenset(), keep=0, dry_run=True)
    assert len(store.receipts()) == 1


async def test_a_package_is_locked_for_one_at_a_time(store: PackageStore) -> None:
    """Another one is not."""
    order = []

    async def second() -> None:
        async with store.locked("caddy"):
            order.append("second")

    async with store.locked("caddy"):
        waiting = asyncio.create_task(second())
        async with store.locked("other"):
            order.append("other")
        await asyncio.sleep(0)
        order.append("first")
    await waiting
    assert order == ["other", "first", "second"]


async def test_a_lock_that_is_none_is_told(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """As the store's trouble; what the holder of a lock runs into is his own."""
    async with store.locked("caddy"):
        with pytest.raises(FileNotFoundError):
            async with store.locked("other"):
                (tmp_path / "gone").unlink()
    (root / "locks/pkg-caddy").unlink()
    (root / "locks/pkg-caddy").mkdir()
    with pytest.raises(Unavailable, match=r"^the package store can't use .*/locks/pkg-caddy: Is a directory$"):
        await installed(store, tmp_path)


async def test_recovery_leaves_who_is_at_work_alone(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """A second process starts while the first one unpacks."""
    async with store.locked("caddy"):
        (root / "staging" / "busy").mkdir()
        FolderStore(root, unpack).recover()
        assert os.listdir(root / "staging") == ["busy"]
    store.recover()
    assert os.listdir(root / "staging") == []


async def test_only_a_receipt_that_is_its_own_counts(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """One that was cut short, or copied, or edited vouches for nothing; recovery takes it and what it stood for."""
    whole, cut, edited = [await installed(store, tmp_path, version) for version in ("1.0", "1.1", "1.2")]
    folder = root / "receipts"
    first = (folder / f"{whole.description.digest}.json").read_bytes()
    (folder / f"{cut.description.digest}.json").write_bytes(first[: len(first) // 2])
    (folder / f"{edited.description.digest}.json").write_bytes(first)
    (folder / "notes.txt").write_bytes(b"")
    (folder / "folder.json").mkdir()
    assert store.receipts() == [whole]
    store.recover()
    assert os.listdir(folder) == [f"{whole.description.digest}.json"]
    assert os.listdir(root / "store/caddy") == [whole.description.folder]
    assert await store.verify(whole, "digests") == []


async def test_an_orphan_that_runs_is_not_swept(root: Path, store: PackageStore, tmp_path: Path) -> None:
    """Somebody deleted the receipt by hand: the worker is not to be the worse for it."""
    receipt = await installed(store, tmp_path)
    (root / "receipts" / f"{receipt.description.digest}.json").unlink()
    process = subprocess.Popen(["/bin/sh", "-c", "read line"], cwd=store.path(receipt), stdin=subprocess.PIPE)
    try:
        store.recover()
        assert (Path(store.path(receipt)) / "README").exists()
    finally:
        process.communicate()
    store.recover()
    assert everything(root, "store", "trash") == set()


async def test_a_store_on_two_filesystems_is_refused(root: Path, tmp_path: Path) -> None:
    """Nothing could be moved from the one to the other in one step."""
    root.mkdir()
    (root / "staging").symlink_to("/dev/shm")
    if os.stat("/dev/shm").st_dev == os.stat(root).st_dev:
        pytest.skip("/dev/shm is no other filesystem here")
    with pytest.raises(Invalid, match=r"staging lies on another filesystem than .*store$"):
        FolderStore(root, unpack)
