"""Whatever stands in a file, it gives settings or errors with lines: never a traceback."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from beeyard.adapters.providers import PROVIDERS
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Invalid
from beeyard.domain.master import MasterSpec
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints.settings import load, shape, sources_shape
from tests.unit.entrypoints.settings.test_documentation import DOCS
from tests.unit.entrypoints.settings.test_toml import TEXT

FILES = {"beeyard.yaml": DOCS.read_text("utf-8"), "beeyard.toml": TEXT}
PIECES = [
    *"[]{}:,-#&*!|>'\"%@`\n\t ~?=.$",
    "${A}",
    "${",
    "- ",
    ": ",
    "<<: ",
    "*a",
    "&a ",
    "'''",
    '"""',
    "[[",
    "null",
    "true",
]
PIECES += ["-1", "0", "1e999", "\0", "\ufeff", "\x85", "\u2028", "é", "---\n", "0x", "nan", "9" * 30]
JUNK = strategies.one_of(strategies.sampled_from(PIECES), strategies.text(max_size=4))
EDIT = strategies.tuples(strategies.floats(0, 1), strategies.integers(0, 30), JUNK)
KEYS = sorted(
    {
        field.encode_name
        for kind in [*vars(shape).values(), *vars(sources_shape).values(), ProcessSection]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        for field in msgspec.structs.fields(kind)
    }
    | {"execution", "stop", "web", "http", "readiness", "policy", "warning"}
)
LEAF = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.floats(allow_nan=False),
    strategies.sampled_from(
        ["/bin/sh", "1s", "web", "process", "http", "exec", "SIGTERM", "5MB", "ready", "${A}", "/x"]
    ),
    strategies.text(max_size=3),
)
TREE = strategies.recursive(
    LEAF,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.sampled_from(KEYS), inner),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, with the files that the documented one names."""
    path = tmp_path_factory.mktemp("mutations")
    (path / "worker-file.env").touch()
    return path


def check(file: Path, text: str) -> None:
    """Load it; whole settings can be stored, and errors name their line."""
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        loaded = load(str(file), environ={"PATH": "/usr/bin:/bin"}, providers=PROVIDERS)
    except Invalid as error:
        problems = error.problems
        lines = len(text.splitlines()) + 1
        assert problems
        assert all(problem.file == str(file) and 1 <= problem.line <= lines for problem in problems)
        assert all(problem.path and problem.found and problem.expected for problem in problems)
    else:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(loaded.workers), type=list[WorkerSpec]) == loaded.workers
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(loaded.master), type=MasterSpec) == loaded.master


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=strategies.lists(EDIT, min_size=1, max_size=3))
def test_any_edit_gives_settings_or_errors(folder: Path, name: str, edits: list[tuple[float, int, str]]) -> None:
    """Pieces cut out and others put in, anywhere in a valid file."""
    text = FILES[name]
    for place, length, junk in edits:
        at = int(place * len(text))
        text = text[:at] + junk + text[at + length :]
    check(folder / name, text)


@settings(max_examples=150, deadline=None)
@given(worker=strategies.dictionaries(strategies.sampled_from(KEYS), TREE), rest=TREE)
def test_any_value_under_any_key_gives_settings_or_errors(folder: Path, worker: dict[str, Any], rest: Any) -> None:
    """Right keys with wrong values, deep down."""
    whole = {"workers": [{"id": "a", "execution": {"executable_path": "/bin/sh"}, **worker}], "defaults": rest}
    check(folder / "beeyard.yaml", json.dumps(whole, indent=1))
