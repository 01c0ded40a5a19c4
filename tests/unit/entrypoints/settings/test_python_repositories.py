"""`manager: python`: which keys it has, and what is said of wrong ones."""

import pytest

from beeyard.domain.sources import RepositorySpec
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load

BLOCK = "package_manager:\n  repositories:\n  - name: wheels\n"


def test_an_index_names_its_python_and_extras(load: Load) -> None:
    """Or neither, then it is Beeyard's own Python."""
    text = "    manager: python\n    url: https://h/simple/\n    trust: unsigned\n"
    more = "    python: '3.12'\n    extras: ['uvicorn[standard]']\n"
    for added, fields in (("", {}), (more, {"python": "3.12", "extras": ("uvicorn[standard]",)})):
        (spec,) = load(BLOCK + text + added + SHELL).master.packages.repositories
        assert spec == RepositorySpec("wheels", "python", "https://h/simple", trust="unsigned", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("manager: python, url: https://h",
         "3: found `manager: python`, expected `trust: unsigned` beside it (nobody signs an index)"),
        ("manager: python, url: https://h, trust: unsigned, python: python3",
         "7 python: found something else, expected a version such as 3.12, or the path of a Python"),
        ("manager: python, url: https://h, trust: unsigned, extras: [uvicorn]",
         "7 extras: found something else, expected names with extras, such as uvicorn[standard]"),
        ("url: https://h, trust: unsigned, python: '3.12'",
         "6 python: found `python`, expected no such key beside `manager: binary`"),
        ("url: https://h, trust: unsigned, extras: ['a[b]']",
         "6 extras: found `extras`, expected no such key beside `manager: binary`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(errors: Errors, keys: str, error: str) -> None:
    """By the line of the key."""
    line, _, text = error.partition(" ")
    where = "package_manager.repositories[0]" + (": " if line.endswith(":") else ".")
    below = "".join(f"    {key}\n" for key in keys.split(", "))
    assert errors(BLOCK + below + SHELL) == [f"beeyard.yaml:{line.rstrip(':')}: {where}{text}"]
