"""What only distributions of Python do: which wheels go together, where each file goes, what is refused, who is shown
what."""

import logging
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from beeyard.domain.errors import NotFound, Refused, Rejected, Unavailable, Untrusted
from beeyard.domain.locked import Locked
from beeyard.domain.packages import ModuleEntry, ProcessEntry
from beeyard.domain.sources import Credentials
from beeyard.ports.package_manager import Installed, Offered
from tests.package_benches import Python, PythonIndex
from tests.wheels import Index, a_wheel

HERE = f"{sys.version_info[0]}{sys.version_info[1]}"
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@pytest.fixture
def bench(tmp_path: Path) -> Python:
    """A folder of wheels."""
    return Python(tmp_path)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[PythonIndex]:
    """An index that wants a password."""
    made = PythonIndex(tmp_path)
    yield made
    made.close()


async def one(bench: Python) -> Offered:
    """The only version there is."""
    (found,) = await bench.offered()
    return found


async def brought(bench: Python) -> Installed:
    """And installed."""
    return await bench.manager.install(bench.spec, await one(bench), lambda done: None)


def run(installed: Installed, *argv: str) -> str:
    """What a program of it prints."""
    return subprocess.run(
        [str(Path(installed.path, argv[0])), *argv[1:]], capture_output=True, text=True, check=True, cwd="/"
    ).stdout


def whole(bench: Python) -> None:
    """One of every kind of file that a wheel may have, and something that it needs."""
    files = {
        "hello/__init__.py": "def main():\n    import needed, sys\n    print(needed.SAID, sys.argv[1:])\n",
        "hello-1.0.data/scripts/tool": "#!python\nimport needed, sys\nprint(needed.SAID, sys.prefix)\n",
        "hello-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
        "hello-1.0.data/purelib/more.py": "MORE = 1\n",
        "hello-1.0.data/data/share/hello/data": "data",
        "hello-1.0.data/headers/hello.h": "int x;",
    }
    a_wheel(bench.place, "hello", "1.0", files, scripts={"hello": "hello:main"}, needs=["needed>=1"])
    a_wheel(bench.place, "needed", "1.0", {"needed.py": "SAID = 'needed'\n"})


# --- an environment ---------------------------------------------------------------------------------------------------


async def test_each_file_of_a_wheel_is_where_it_belongs(bench: Python) -> None:
    """Commands find what they need, in an environment of their own, wherever it lies."""
    whole(bench)
    installed = await brought(bench)
    folder = Path(installed.path)
    assert installed.manifest.process == ProcessEntry("bin/hello", env=("PYTHONDONTWRITEBYTECODE=1",))
    assert run(installed, "bin/hello", "a b") == "needed ['a b']\n"
    assert run(installed, "bin/tool") == f"needed {folder}\n"
    assert run(installed, "bin/shell") == "shell\n"
    for path in ("share/hello/data", f"{SITE}/more.py", f"include/site/{SITE.split('/')[1]}/hello/hello.h"):
        assert (folder / path).is_file(), path
    assert run(installed, "bin/python", "-Bc", "import sys, more; print(sys.prefix)") == f"{folder}\n"
    assert await bench.manager.verify(installed, "digests") == []
    moved = bench.home / "elsewhere"
    os.rename(folder, moved)
    assert run(replace(installed, path=str(moved)), "bin/tool") == f"needed {moved}\n"


async def test_an_environment_holds_what_pip_would_have_put_there(bench: Python) -> None:
    """But for its own notes and bytecode."""
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    if subprocess.run([base, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs pip, as the Python of this host has it")
    whole(bench)
    installed = await brought(bench)
    made = bench.home / "made"
    subprocess.run([base, "-m", "venv", "--without-pip", made], check=True)
    words = ["--python", str(made / "bin/python"), "install", "--no-index", "--no-compile", "--no-warn-script-location"]
    subprocess.run(
        [base, "-m", "pip", *words, "--find-links", str(bench.place), "hello"], check=True, capture_output=True
    )
    ours, theirs = (_files(Path(folder)) for folder in (installed.path, made))
    assert ours == theirs


def _files(folder: Path) -> dict[str, bytes]:
    """What is there, and what is in it where a maker of environments does not write that himself."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
    notes = ("INSTALLER", "REQUESTED", "direct_url.json")
    python = [name for name in found if name.startswith("bin/") and ("python" in name or "ctivate" in name)]
    kept = {name: path for name, path in found.items() if path.name not in notes and name not in python}
    ours = ("bin/", "pyvenv.cfg")
    return {n: b"" if n.startswith(ours) or n.endswith("RECORD") else path.read_bytes() for n, path in kept.items()}


async def test_a_damaged_environment_is_made_whole_from_its_wheels(bench: Python) -> None:
    """Also if what it needs is there in a newer version by now."""
    whole(bench)
    installed = await brought(bench)
    a_wheel(bench.place, "needed", "2.0", {"needed.py": "SAID = 'newer'\n"})
    hurt = Path(installed.path, SITE, "needed.py")
    hurt.chmod(0o644)
    hurt.write_text("SAID = 'hurt'\n")
    (damage,) = await bench.manager.repair(bench.spec, installed, lambda done: None)
    assert damage.path == f"{SITE}/needed.py"
    assert run(installed, "bin/hello").startswith("needed")


async def test_a_python_that_is_gone_is_damage(bench: Python) -> None:
    """Everything else may be there."""
    python = bench.home / "python"
    real = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    python.write_text(f'#!/bin/sh\nexec {real} "$@" | sed "s,{real},{python},"\n')
    python.chmod(0o755)
    bench.spec = replace(bench.spec, python=str(python))
    whole(bench)
    installed = await brought(bench)
    python.unlink()
    assert [one.path for one in await bench.manager.verify(installed, "receipt")] == ["bin/python"]


@pytest.mark.parametrize(
    ("programs", "process"), [(["hello", "other"], "bin/hello"), (["other"], "bin/other"), (["a", "b"], None)]
)
async def test_a_program_in_a_wheel_is_a_command_as_well(
    bench: Python, programs: list[str], process: str | None
) -> None:
    """Of several that which is called as the distribution is."""
    a_wheel(bench.place, "hello", "1.0", {f"hello-1.0.data/scripts/{name}": "#!/bin/sh\n" for name in programs})
    found = (await brought(bench)).manifest.process
    assert (found and found.executable_path) == process


async def test_a_wheel_names_its_module(bench: Python) -> None:
    """By an entry point, as what is installed beside Beeyard does; Python finds it among the packages."""
    a_wheel(bench.place, "hello", "1.0", modules={"hello": "hello.main:create"})
    manifest = (await brought(bench)).manifest
    assert (manifest.module, manifest.process) == (ModuleEntry("hello/main.py", "create"), None)
    assert manifest.python_path == SITE


# --- which wheels go together -----------------------------------------------------------------------------------------


async def chosen(bench: Python) -> list[str]:
    """The wheels that would be installed."""
    return [pin.partition("@")[0] for pin in (await one(bench)).source.split()]


async def test_markers_and_extras_say_what_is_needed(bench: Python) -> None:
    """Of the markers those that hold here; of the extras those that the file names."""
    needs = [
        "always",
        'never; sys_platform == "nowhere"',
        'here; python_version >= "3"',
        'more; extra == "full"',
        "deep[inner]",
    ]
    a_wheel(bench.place, "hello", "1.0", needs=needs)
    for name in ("always", "never", "here", "more", "inner"):
        a_wheel(bench.place, name, "1.0", {f"{name}.py": ""})
    a_wheel(bench.place, "deep", "1.0", {"deep.py": ""}, needs=['inner; extra == "inner"'])
    assert await chosen(bench) == ["hello==1.0", "always==1.0", "deep==1.0", "here==1.0", "inner==1.0"]
    bench.spec = replace(bench.spec, extras=("Hello[full]",))
    assert "more==1.0" in await chosen(bench)


async def test_the_newest_that_go_together_are_taken(bench: Python) -> None:
    """Not one that was taken back, nor for another Python, nor a pre-release, nor what somebody else can't do with."""
    a_wheel(bench.place, "hello", "1.0", needs=["low", "high"])
    a_wheel(bench.place, "low", "1.0", {"low.py": ""}, needs=["high<3"])
    for version, python in (("1.0", ""), ("2.0", ""), ("2.1", "<3"), ("2.2rc1", ""), ("3.0", "")):
        a_wheel(bench.place, "high", version, {"high.py": ""}, python=python)
    assert await chosen(bench) == ["hello==1.0", "high==2.0", "low==1.0"]


async def test_of_several_wheels_of_a_version_the_one_for_this_python_is_taken(bench: Python) -> None:
    """Then the package is one of this platform alone."""
    for tag in ("py3-none-any", f"cp{HERE}-cp{HERE}-linux_x86_64", "cp38-cp38-linux_x86_64", "py3-none-win_amd64"):
        a_wheel(bench.place, "hello", "1.0", {"hello.py": tag}, tag=tag)
    installed = await brought(bench)
    assert Path(installed.path, SITE, "hello.py").read_text() == f"cp{HERE}-cp{HERE}-linux_x86_64"
    assert installed.manifest.platform == "linux-x86_64"


async def test_what_was_locked_is_had_again_whatever_came_out_since(bench: Python) -> None:
    """By the digest of each of its wheels; if one of them is gone, it can't be had."""
    whole(bench)
    before = await one(bench)
    newer = a_wheel(bench.place, "needed", "2.0", {"needed.py": ""})
    assert (await one(bench)).digest != before.digest
    fields = before.manifest.platform, before.digest, "main", before.trust
    locked = Locked("hello", "1.0", *fields, source=before.source)
    assert await bench.manager.former(bench.spec, locked) == before
    assert await bench.manager.former(bench.spec, replace(locked, digest="0" * 64)) is None
    newer.rename(bench.place / "needed-1.0-py3-none-any.whl")
    assert await bench.manager.former(bench.spec, locked) is None
    with pytest.raises(NotFound, match=r"main has not that build of needed 1\.0 any more"):
        await bench.manager.install(bench.spec, before, lambda done: None)


async def test_what_needs_what_is_not_there_is_passed_over(bench: Python, caplog: pytest.LogCaptureFixture) -> None:
    """Said once; if nothing else is there, to who asks, with who needs what."""
    a_wheel(bench.place, "hello", "2.0", needs=["nowhere>=1"])
    with pytest.raises(Refused, match=r"hello 2\.0 needs nowhere >=1"):
        await one(bench)
    a_wheel(bench.place, "hello", "1.0")
    with caplog.at_level(logging.WARNING):
        assert (await one(bench)).manifest.version == "1.0"
        await bench.manager.offers(bench.spec, "hello")
    assert [record.message.partition(":")[0] for record in caplog.records] == ["hello is passed over"]


# --- what is refused --------------------------------------------------------------------------------------------------


async def test_only_sources_are_refused_in_words(bench: Python) -> None:
    """They would have to be built, which runs what is in them."""
    (bench.place / "hello-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(Rejected, match=r"hello 1\.0 has only sources, which would have to be built, and no wheel"):
        await one(bench)


async def test_a_wheel_for_another_python_is_refused_in_words(bench: Python) -> None:
    """It is told for which one it is not."""
    a_wheel(bench.place, "hello", "1.0", tag="cp38-cp38-linux_x86_64")
    with pytest.raises(
        Rejected, match=rf"no wheel of hello 1\.0 is for Python {SITE[10:].partition('/')[0]} on linux-x86"
    ):
        await one(bench)


async def test_a_python_that_is_not_there_is_told(bench: Python) -> None:
    """By its name in the file."""
    bench.spec = replace(bench.spec, python="3.99")
    with pytest.raises(Unavailable, match=r"the Python 3\.99 can't be used: there is no such program"):
        await bench.offered()


@pytest.mark.parametrize("address", ["needed @ http://127.0.0.1/needed.whl", "==what"])
async def test_what_cant_be_found_in_the_index_is_refused(bench: Python, address: str) -> None:
    """Neither another address, nor what nobody can read."""
    a_wheel(bench.place, "hello", "1.0", needs=[address])
    with pytest.raises(Rejected, match=r"hello-1\.0-py3-none-any\.whl needs "):
        await one(bench)


@pytest.mark.parametrize(
    ("files", "recorded", "why"),
    [
        ({"hello.py": "changed"}, {"hello.py": "signed"}, "hello.py is not what its RECORD says"),
        ({"hello-1.0.data/scripts/x": "#!python\n1"}, {"hello-1.0.data/scripts/x": ""}, "scripts/x is not what its"),
        ({"hello-1.0.data/odd/x": "x"}, {}, "nobody knows where hello-1.0.data/odd/x belongs"),
        ({"other-1.0.dist-info/METADATA": "x"}, {}, "it has 2 folders about itself"),
    ],
)
async def test_a_wheel_that_is_none_is_not_installed(
    bench: Python, files: dict[str, str], recorded: dict[str, str], why: str
) -> None:
    """Nothing of it is left."""
    a_wheel(bench.place, "hello", "1.0", files, recorded=recorded)
    with pytest.raises(Untrusted) as caught:
        await brought(bench)
    assert why in str(caught.value)
    assert await bench.manager.facts([bench.spec]) == []


@pytest.mark.parametrize("path", ["../../../out", "/out", f"{'../' * 9}tmp/out", "a\\..\\..\\out\x01"])
async def test_a_wheel_that_leads_out_is_not_unpacked(bench: Python, path: str) -> None:
    """As no archive is."""
    a_wheel(bench.place, "hello", "1.0", {path: "x"})
    with pytest.raises(Untrusted):
        await brought(bench)
    assert await bench.manager.facts([bench.spec]) == []


async def test_a_bomb_is_refused_before_it_is_unpacked(bench: Python) -> None:
    """By what it says of itself."""
    a_wheel(bench.place, "hello", "1.0", {"hello.py": b"\0" * (160 * 2**20)})
    with pytest.raises(Untrusted, match="it is a bomb"):
        await brought(bench)


async def test_what_takes_much_memory_to_be_read_is_refused(bench: Python) -> None:
    """As other ways of compressing may."""
    path = a_wheel(bench.place, "hello", "1.0", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as wheel:
        wheel.writestr("hello/x", "x")
    with pytest.raises(Untrusted, match="hello/x is compressed in a way that takes what memory it wants"):
        await brought(bench)


async def test_a_link_in_a_wheel_is_refused(bench: Python) -> None:
    """No wheel has any."""
    path = a_wheel(bench.place, "hello", "1.0", {})
    with zipfile.ZipFile(path, "a") as wheel:
        entry = zipfile.ZipInfo("hello/out")
        entry.external_attr = 0o120777 << 16
        wheel.writestr(entry, "/etc/passwd")
    with pytest.raises(Untrusted, match="hello/out is a link"):
        await brought(bench)


async def test_two_wheels_with_the_same_file_are_not_put_together(bench: Python) -> None:
    """Nobody could tell which one is meant."""
    a_wheel(bench.place, "hello", "1.0", {"same.py": "1"}, needs=["other"])
    a_wheel(bench.place, "other", "1.0", {"same.py": "2"})
    with pytest.raises(Rejected, match=rf"hello-1\.0-.*whl and other-1\.0-.*whl both bring {SITE}/same\.py"):
        await brought(bench)


# --- an index ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "ranges"), [("json", True), ("html", True), ("html", False)])
async def test_every_index_is_understood(web: PythonIndex, form: str, ranges: bool) -> None:
    """In either form, and without parts: then a wheel is brought to see what it needs. What was taken back is told."""
    web.index.form, web.index.ranges = form, ranges
    whole(web)
    web.index.yanked["hello-1.0-py3-none-any.whl"] = "it is broken"
    offered = await one(web)
    assert (offered.yanked, [pin.partition("@")[0] for pin in offered.source.split()]) == (
        "it is broken",
        ["hello==1.0", "needed==1.0"],
    )
    assert run(await brought(web), "bin/hello").startswith("needed")


async def test_what_an_index_promised_has_to_come(web: PythonIndex) -> None:
    """A wheel that was changed since it was listed is not installed."""
    whole(web)
    offered = await one(web)
    data = bytearray((web.place / "needed-1.0-py3-none-any.whl").read_bytes())
    listed = web.index.files
    known = {name: listed(name) for name in ("hello", "needed")}
    web.index.files = lambda name="": known[name]  # type: ignore[method-assign]
    data[40] ^= 1
    (web.place / "needed-1.0-py3-none-any.whl").write_bytes(data)
    with pytest.raises(Untrusted, match="is not what was promised"):
        await web.manager.install(web.spec, offered, lambda done: None)
    assert await web.manager.facts([web.spec]) == []


async def test_the_end_of_a_wheel_is_not_believed_for_good(web: PythonIndex) -> None:
    """It was read before anything was verified; who tampers with it can't choose what is installed beside it."""
    whole(web)
    web.index.ends = web.home / "ends"
    web.index.ends.mkdir()
    a_wheel(web.index.ends, "hello", "1.0", needs=["hostile"])
    a_wheel(web.index.ends, "hostile", "1.0", {"hostile.py": ""})
    a_wheel(web.place, "hostile", "1.0", {"hostile.py": ""})
    offered = await one(web)
    assert "hostile" in offered.source
    with pytest.raises(
        Untrusted, match=r"hello-1\.0-.*\.whl is no wheel: what was read of its end before is not what it"
    ):
        await web.manager.install(web.spec, offered, lambda done: None)
    assert await web.manager.facts([web.spec]) == []


async def test_who_is_not_let_in_is_told(web: PythonIndex) -> None:
    """By the repository's name."""
    whole(web)
    web.spec = replace(web.spec, credentials=Credentials(token="wrong"))
    with pytest.raises(Rejected, match="main does not let us read hello/"):
        await web.offered()


async def test_credentials_go_to_the_index_and_nowhere_else(web: PythonIndex) -> None:
    """Not where it says that its files are."""
    whole(web)
    other = Index(web.place)
    try:
        web.index.elsewhere = other.origin
        await brought(web)
        assert all("Authorization" in headers for _, headers in web.index.asked)
        assert len(other.asked) >= 4
        assert not any("Authorization" in headers for _, headers in other.asked)
    finally:
        other.close()


async def test_an_index_that_says_nothing_that_can_be_read_is_not_believed(web: PythonIndex) -> None:
    """It may be any page."""
    whole(web)
    web.index.form = "nonsense"
    with pytest.raises(Untrusted, match="what it says of hello can't be read"):
        await web.offered()


async def test_without_its_index_what_is_installed_works(web: PythonIndex) -> None:
    """Nothing is asked."""
    whole(web)
    installed = await brought(web)
    web.vanish()
    assert await web.made().facts([web.spec]) == [installed]
    assert run(installed, "bin/hello").startswith("needed")
