"""What makes a module is found by its name, and what keeps it from being found is said in words."""

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from beeyard.sdk import Module, loading
from beeyard.sdk.loading import factory, register_native_module_factory
from beeyard.sdk.words import Unfit


class Plain(Module[dict[str, object]]):
    """A module that does nothing."""


class Another(Plain):
    """Another one."""


CODE = """
from beeyard.sdk import Module
class Echo(Module):
    class Loud(Module):
        pass
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With a package `kiosk` in it; what is imported from there is forgotten at the end."""
    (tmp_path / "kiosk").mkdir()
    for name, text in {
        "__init__": "",
        "service": CODE,
        "torn": "def half(\n",
        "needy": "import nowhere_to_be_found\n",
        "angry": "raise ValueError('no mood')\n",
    }.items():
        (tmp_path / "kiosk" / f"{name}.py").write_text(text)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith("kiosk"):
            del sys.modules[name]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, and of this test alone."""
    monkeypatch.setattr(loading, "_registered", {})


@pytest.mark.parametrize("name", ["kiosk.service:Echo", "kiosk.service:Echo.Loud"])
def test_a_plugin_is_found_in_its_folder(folder: Path, name: str) -> None:
    """Whatever is callable makes the module."""
    assert type(factory(name, str(folder))()).__qualname__ == name.partition(":")[2]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kiosk.servise:Echo", "no module kiosk.servise in FOLDER: did you mean service?"),
        ("kiosc.service:Echo", "no module kiosc in FOLDER: did you mean kiosk?"),
        ("kiosk.service:Ecko", "kiosk.service has no Ecko: did you mean Echo?"),
        ("kiosk.service:Echo.Lout", "kiosk.service.Echo has no Lout: did you mean Loud?"),
        ("kiosk.service:number", "kiosk.service:number is of the type int, no function or class that makes a module"),
        ("kiosk.torn:Echo", "FOLDER/kiosk/torn.py:1: '(' was never closed"),
        ("kiosk.needy:Echo", "kiosk.needy needs the module nowhere_to_be_found, which is not installed"),
        ("kiosk.angry:Echo", "kiosk.angry can't be imported: ValueError: no mood"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(folder: Path, name: str, words: str) -> None:
    """Each in its own words."""
    with pytest.raises(Unfit) as caught:
        factory(name, str(folder))
    assert str(caught.value) == words.replace("FOLDER", str(folder))


def test_an_import_that_fails_shows_its_own_lines_only(folder: Path) -> None:
    """How Python imports is of no interest to who wrote it."""
    with pytest.raises(Unfit) as caught:
        factory("kiosk.angry:Echo", str(folder))
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_filename == str(folder / "kiosk" / "angry.py")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Not that there is no module."""
    with pytest.raises(Unfit, match=f"echo:Echo: there is no folder {tmp_path}/none"):
        factory("echo:Echo", f"{tmp_path}/none")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("echo.Echo", "did you mean echo:Echo?"), ("src/echo.py", "a class in that file is named src.echo:CLASS")],
)
def test_what_looks_like_code_and_not_like_a_name_is_told_how_to_be_written(
    registry: None, name: str, meant: str
) -> None:
    """Whatever is registered."""
    register_native_module_factory("plain", Plain)
    with pytest.raises(Unfit) as told:
        factory(name)
    assert str(told.value) == f"no factory is registered as '{name}': {meant}"


def test_a_registered_factory_is_found_by_its_name(registry: None) -> None:
    """The same one twice is no mistake, another one of that name is, and so is a name that looks like a plugin's."""
    register_native_module_factory("plain", Plain)
    register_native_module_factory("plain", Plain)
    assert factory("plain") is Plain
    with pytest.raises(ValueError, match="another factory is registered as 'plain'"):
        register_native_module_factory("plain", Another)
    with pytest.raises(ValueError, match="'a:b' is no name for a factory"):
        register_native_module_factory("a:b", Plain)


def test_a_factory_of_an_installed_distribution_is_found_by_its_entry_point(
    registry: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is nowhere is named with those that there are."""
    point = metadata.EntryPoint("kiosk", "kiosk.service:Echo", loading.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == loading.GROUP else [])
    monkeypatch.syspath_prepend(folder)
    assert type(factory("kiosk")()).__qualname__ == "Echo"
    with pytest.raises(Unfit, match=r"no factory is registered as 'kiosc': did you mean kiosk\?"):
        factory("kiosc")
