"""What a package supplies to a process: its program, or the module that the process hosts."""

from typing import Any

import pytest

from beeyard.adapters.providers.process.packaged import equipped
from beeyard.adapters.providers.process.section import PackagedSection
from beeyard.domain.errors import Refused
from beeyard.domain.module import ModuleSpec
from beeyard.domain.packages import Manifest, ModuleEntry, ProcessEntry
from beeyard.domain.spec import WorkerSpec
from beeyard.domain.supply import Equipment
from beeyard.domain.values import WorkerId

PROGRAM, ENTRY = ProcessEntry("bin/echo", ("-v",)), ModuleEntry("echo/service.py", "create")
AS_PROGRAM = {"executable_path": "/p/bin/echo", "args": ("-v",), "working_directory": "/p"}
OWN = ModuleSpec("echo.service:create", "/p")


def equipment(
    process: ProcessEntry | None, module: ModuleEntry | None, wanted: ModuleSpec | None = None, program: str = ""
) -> Equipment:
    """For a worker that says no more than this."""
    spec = WorkerSpec(WorkerId("w"), "process", {}, package="echo", module=wanted)
    manifest = Manifest("echo", "1.0.0", process=process, module=module)
    return equipped(spec, PackagedSection(executable_path=program), manifest, "/p", {})


@pytest.mark.parametrize(
    ("process", "module", "wanted", "program", "run", "runs"),
    [
        (PROGRAM, ENTRY, None, "", AS_PROGRAM, None),
        (PROGRAM, None, None, "bin/other", {"executable_path": "/p/bin/other", "working_directory": "/p"}, None),
        (None, ENTRY, None, "bin/other", {"executable_path": "/p/bin/other", "working_directory": "/p"}, None),
        (None, ENTRY, None, "", {"working_directory": "/p"}, OWN),
        (
            PROGRAM,
            ENTRY,
            ModuleSpec(config={"a": 1}),
            "",
            {"working_directory": "/p"},
            ModuleSpec("echo.service:create", "/p", {"a": 1}),
        ),
        (PROGRAM, None, ModuleSpec("x.y:z"), "", {"working_directory": "/p"}, ModuleSpec("x.y:z", "/p")),
        (PROGRAM, None, ModuleSpec("known"), "", {"working_directory": "/p"}, ModuleSpec("known")),
        (None, ENTRY, ModuleSpec(), "bin/python", {"executable_path": "/p/bin/python", "working_directory": "/p"}, OWN),
    ],
)
def test_what_the_worker_names_comes_first_then_the_packages_program(
    process: ProcessEntry | None,
    module: ModuleEntry | None,
    wanted: ModuleSpec | None,
    program: str,
    run: dict[str, Any],
    runs: ModuleSpec | None,
) -> None:
    """Then its module. A program beside a module is the Python that hosts it."""
    expected = {**run, "environment": {"BEEYARD_PACKAGE": "/p"}}
    assert equipment(process, module, wanted, program) == Equipment(expected, runs)


@pytest.mark.parametrize(
    ("module_path", "factory"),
    [
        ("echo.py", "echo:create"),
        ("lib/echo/__init__.py", "lib.echo:create"),
        ("lib/echo", "lib.echo:create"),
        ("lib/data-processor.so", None),
        ("lib/data-processor.py", None),
    ],
)
def test_the_file_of_a_module_is_found_as_python_names_it(module_path: str, factory: str | None) -> None:
    """From the package's folder on; what has no such name can't be run as a module."""
    if factory is not None:
        assert equipment(None, ModuleEntry(module_path, "create")).module == ModuleSpec(factory, "/p")
        return
    with pytest.raises(Refused, match=r"echo 1\.0\.0 can't be run as a module: Python finds no lib\.data-processor"):
        equipment(None, ModuleEntry(module_path, "create"))


def test_a_package_without_what_is_wanted_is_refused() -> None:
    """In words that say what it has."""
    with pytest.raises(Refused, match=r"echo 1\.0\.0 has no module: it runs as process only"):
        equipment(PROGRAM, None, ModuleSpec())
    with pytest.raises(Refused, match=r"echo 1\.0\.0 names neither a program nor a module that it runs as"):
        equipment(None, None)
