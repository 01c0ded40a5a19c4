"""Code of a folder loaded beside all else: real folders, real imports."""

import gc
import json
import logging
import os
import pickle
import py_compile
import shutil
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from beeyard.sdk import Module, namespace

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, each by its path in a folder; the folder."""

    def do(folder: str, **files: str) -> str:
        for name, text in files.items():
            path = tmp_path / folder / f"{name.replace('__init__', '/__init__').replace('_in_', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path / folder)

    return do


@pytest.fixture
def load() -> Iterator[Callable[..., ModuleType]]:
    """Load, and release at the end of the test."""
    loaded: list[ModuleType] = []

    def do(name: str, folder: str = "") -> ModuleType:
        loaded.append(namespace.load(name, folder))
        return loaded[-1]

    yield do
    for module in loaded:
        namespace.release(module)
    assert [name for name in sys.modules if name.startswith("_yard")] == []


def private() -> list[str]:
    """What namespaces have in `sys.modules`."""
    return [name for name in sys.modules if name.startswith("_yard")]


def test_two_folders_may_have_a_module_of_one_name(write: Write, load: Callable[..., ModuleType]) -> None:
    """Neither sees the other's, and the program sees none of them."""
    folders = [write(name, service="import part\nname = part.name", part=f"name = {name!r}") for name in ("one", "two")]
    assert [load("service", folder).name for folder in folders] == ["one", "two"]
    assert {"service", "part"}.isdisjoint(sys.modules)


def test_workers_share_what_has_not_changed_and_load_anew_what_has(
    write: Write, load: Callable[..., ModuleType]
) -> None:
    """Also when only a part of it changed, within the same second and to the same size; the old one goes on."""
    folder = write(
        "one", service="import part\ndef name():\n    import part\n    return part.name", part="name = 'old'"
    )
    first = load("service", folder)
    assert load("service", folder) is first
    write("one", part="name = 'new'")
    second = load("service", folder)
    assert (first.name(), second.name()) == ("old", "new")
    assert load("service", folder) is second


def test_bytecode_of_what_stood_there_before_is_not_taken(write: Write, load: Callable[..., ModuleType]) -> None:
    """Python knows it by second and size of the source alone."""
    folder = write("one", service="name = 'old'")
    service = Path(folder, "service.py")
    os.utime(service, ns=(10**18, 10**18))
    os.utime(str(py_compile.compile(str(service), doraise=True)), ns=(10**18 + 1, 10**18 + 1))
    write("one", service="name = 'new'")
    os.utime(service, ns=(10**18 + 2, 10**18 + 2))
    assert load("service", folder).name == "new"


def test_every_way_to_import_leads_to_the_same_module(write: Write, load: Callable[..., ModuleType]) -> None:
    """Absolute and relative, whole packages, parts, names, at the top and inside of functions; the rest as always."""
    folder = write(
        "one",
        shop__init__="from .stock import amount\n__all__ = ['stock', 'till']",
        shop_in_stock="amount = 3",
        shop_in_till="from . import stock\nfrom .stock import amount as again\nimport shop.stock as named",
        service=(
            "import json, os.path, shop.till\n"
            "import shop.stock as stock\n"
            "from shop import till, amount\n"
            "from shop import *\n"
            "import importlib\n"
            "def late():\n    from shop.till import again\n    import shop.stock\n    return again, shop.stock\n"
        ),
    )
    service = load("service", folder)
    assert (service.json, service.os.path) == (json, os.path)
    assert service.shop.till is service.till is sys.modules[service.till.__name__]
    assert service.stock is service.till.stock is service.till.named is service.late()[1]
    assert (service.amount, service.till.again, service.late()[0]) == (3, 3, 3)
    assert service.importlib.import_module(".till", service.shop.__name__) is service.till


def test_modules_may_import_each_other(write: Write, load: Callable[..., ModuleType]) -> None:
    """As anywhere, each sees as much of the other as there is by then."""
    folder = write(
        "one",
        a="import b\nfrom b import early\nlate = 1",
        b="import a\nearly = 2\nseen = hasattr(a, 'late')\ndef later():\n    return a.late",
    )
    a = load("a", folder)
    assert (a.early, a.b.seen, a.b.later()) == (2, False, 1)


def test_classes_find_their_module(write: Write, load: Callable[..., ModuleType]) -> None:
    """Dataclasses and Structs with annotations that are read later, and pickles, while the namespace lives."""
    folder = write(
        "one",
        service=(
            "from __future__ import annotations\n"
            "import dataclasses, enum, pickle, msgspec, typing\n"
            "from beeyard.sdk import Module\n"
            "class Colour(enum.Enum):\n    RED = 1\n"
            "@dataclasses.dataclass\nclass Point:\n    x: Part\n    n: typing.ClassVar[int] = 0\n"
            "@dataclasses.dataclass\nclass Part:\n    y: int = 1\n"
            "class Config(msgspec.Struct):\n    part: Inner\n    many: list[Inner] = []\n"
            "class Inner(msgspec.Struct):\n    z: int\n"
            "class Service(Module):\n    config_type = Config\n"
            "again = pickle.loads(pickle.dumps([Point(Part(2)), Colour.RED]))\n"
            "hints = typing.get_type_hints(Point)\n"
            "config = msgspec.convert({'part': {'z': 5}}, Config)\n"
        ),
    )
    service = load("service", folder)
    assert service.again == [service.Point(service.Part(2)), service.Colour.RED]
    assert [field.name for field in service.dataclasses.fields(service.Point)] == ["x"]
    assert service.hints["x"] is service.Part
    assert service.config.part == service.Inner(5)
    assert Module in service.Service.__mro__
    assert pickle.loads(pickle.dumps(service.Colour.RED)) is service.Colour.RED


def test_errors_name_modules_as_they_are_written(write: Write) -> None:
    """And leave nothing behind; what was mended is loaded."""
    folder = write(
        "one",
        shop__init__="",
        lacking="import shop.till",
        missing="import not_there_at_all",
        above="from . import shop",
        shop_in_above="from ... import service",
        broken="def",
    )
    for name, error, text in (
        ("lacking", ModuleNotFoundError, "No module named 'shop.till'"),
        ("missing", ModuleNotFoundError, "No module named 'not_there_at_all'"),
        ("nothing", ModuleNotFoundError, "No module named 'nothing'"),
        ("shop.nothing", ModuleNotFoundError, "No module named 'shop.nothing'"),
        ("above", ImportError, "attempted relative import with no known parent package"),
        ("shop.above", ImportError, "attempted relative import beyond top-level package"),
        ("broken", SyntaxError, "invalid syntax (broken.py, line 1)"),
    ):
        with pytest.raises(error) as raised:
            namespace.load(name, folder)
        assert str(raised.value) == text
        assert private() == []
    write("one", broken="name = 1")
    mended = namespace.load("broken", folder)
    assert mended.name == 1
    namespace.release(mended)


def test_nothing_is_left_after_the_last_user(write: Write) -> None:
    """No module, no class, no logger."""
    folder = write(
        "one",
        service="import logging, part\nclass Thing:\n    pass\nlogger = logging.getLogger(__name__)\nlogger.error('x')",
        part="import service\ndef back():\n    return service",
    )
    first, second = namespace.load("service", folder), namespace.load("service", folder)
    held = [weakref.ref(found) for found in (first, first.part, first.Thing, first.logger, sys.modules[private()[0]])]
    namespace.release(first)
    assert len(private()) == 3
    namespace.release(second)
    assert private() == []
    del first, second
    gc.collect()
    assert [ref() for ref in held] == [None] * len(held)
    assert [name for name in logging.root.manager.loggerDict if name.startswith("_yard")] == []


def test_installed_code_is_loaded_anew_as_well(
    write: Write, load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package on the path, and only this one: what it shares a folder with is imported as always."""
    installed = write(
        "site", yard_shop__init__="", yard_shop_in_service="import yard_shop.part, yard_other", yard_other=""
    )
    write("site", yard_shop_in_part="name = 'old'")
    monkeypatch.syspath_prepend(installed)
    folder = write("one", unrelated="")
    first = load("yard_shop.service", folder)
    write("site", yard_shop_in_part="name = 'new'")
    second = load("yard_shop.service")
    assert (first.yard_shop.part.name, second.yard_shop.part.name) == ("old", "new")
    assert first.yard_other is second.yard_other is sys.modules.pop("yard_other")
    assert "yard_shop" not in sys.modules


def test_what_is_shared_by_all_is_imported_as_always(write: Write, load: Callable[..., ModuleType]) -> None:
    """Beeyard itself, what is built in, and a name of which the folder has only a folder."""
    folder = write("one", beeyard="", sys="", json_in_note="", service="import beeyard.sdk, sys, json")
    service = load("service", folder)
    assert (service.beeyard, service.sys, service.json) == (sys.modules["beeyard"], sys, json)
    assert load("_struct") is sys.modules["_struct"]


def test_a_c_library_is_loaded_once(write: Write, load: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Its module is the same in every namespace, while the Python code beside it is not."""
    libraries = [*Path(sysconfig.get_config_var("DESTSHARED") or "/nowhere").glob("_bisect.*.so")]
    if not libraries:
        pytest.skip("the C modules of this Python are built in")
    folder = write("one", service="import _bisect")
    shutil.copy(libraries[0], folder)
    first = load("service", folder)
    write("one", service="import _bisect\n")
    second = load("service", folder)
    assert first is not second
    assert first._bisect is second._bisect is not sys.modules.get("_bisect")
    assert second._bisect.bisect_right([1, 2, 3], 2) == 2


def test_threads_load_at_once(write: Write) -> None:
    """All get the same whole module, and one use is counted for each."""
    folder = write("one", service="import a, b\ndone = True", a="import b", b="import a\nlast = 1")
    begin = threading.Barrier(8)
    loaded: list[ModuleType] = []

    def work() -> None:
        begin.wait()
        for _ in range(20):
            loaded.append(namespace.load("service", folder))
            assert loaded[-1].done

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [*map(id, loaded)] == [id(loaded[0])] * 160
    for module in loaded:
        assert private()
        namespace.release(module)
    assert private() == []
