"""docs/features.md names every row, and only tests that exist. Also: one row whose proof is the import contracts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([PURH]\d\d)(?: \*\*F\*\*)? \| (.+) \| (.+) \|$", re.MULTILINE)
COUNT = {"P": 56, "U": 89, "R": 40, "H": 42}


def rows() -> list[tuple[str, str]]:
    """(number, what shows it) of each row."""
    text = (ROOT / "docs/features.md").read_text(encoding="utf-8")
    return [(number, shown) for number, _, shown in ROW.findall(text)]


def functions_in(file: Path) -> set[str]:
    """The names of a test file's functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_is_there_once_and_in_order() -> None:
    """The numbers are those of the list that the project began with."""
    wanted = [f"{letter}{number:02}" for letter, count in COUNT.items() for number in range(1, count + 1)]
    assert [number for number, _ in rows()] == wanted


def test_every_test_named_exists() -> None:
    """A row says `not yet`, or names tests; `partly: …` names some too."""
    missing = []
    for number, shown in rows():
        named = re.findall(r"`([^`]+\.py)::(\w+)`", shown)
        if not named and shown != "not yet":
            missing.append(f"{number}: {shown}")
        for path, name in named:
            file = ROOT / path
            if not name.startswith("test_") or not file.is_file() or name not in functions_in(file):
                missing.append(f"{number}: {path}::{name}")
    assert missing == []


def test_imports_point_one_way() -> None:
    """Domain, ports, application, adapters and launcher are held apart by the contracts in pyproject.toml."""
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
