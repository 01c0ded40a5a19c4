"""Older worker files load as they are: each case of tests/cases/worker-files is one, beside it what it loads to."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Invalid
from beeyard.domain.spec import LogSpec
from beeyard.domain.values import Memory
from beeyard.entrypoints.settings import Settings, load, older_shape

OLDER = Path(__file__).parents[4] / "docs" / "worker-file-older.yaml"
CASES = sorted((Path(__file__).parents[3] / "cases" / "worker-files").glob("*.yaml"))
ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/home/bee"}


def loaded(file: Path) -> Settings:
    """A file, in this test's environment."""
    return load(str(file), environ=ENVIRON, providers=PROVIDERS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the programs are that the cases name."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "echo").symlink_to("/bin/echo")
    return tmp_path


def outcome(file: Path) -> dict[str, Any]:
    """What a file loads to, or all that is wrong with it, without the name of the folder."""
    try:
        settings = loaded(file)
    except Invalid as error:
        result: dict[str, Any] = {"problems": [str(problem) for problem in error.problems]}
    else:
        result = {
            "form": settings.forms[str(file)],
            "shutdown_timeout": settings.shutdown_timeout,
            "master": settings.master,
            "workers": settings.workers,
        }
    text = msgspec.json.encode(result).decode().replace(str(file.parent), "FOLDER")
    plain: dict[str, Any] = json.loads(text)
    return plain


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_an_older_file_loads_as_it_is(folder: Path, case: Path) -> None:
    """Or says of each line what this version can't do."""
    file = folder / case.name
    file.write_bytes(case.read_bytes())
    assert outcome(file) == json.loads(case.with_suffix(".json").read_text("utf-8"))


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each key of a file is, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict):
            yield (*path, key)
        yield from paths(inner, (*path, key))


WHOLE: dict[str, Any] = YAML(typ="safe", pure=True).load(OLDER)


@pytest.mark.parametrize("path", list(paths(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_of_any_key_is_one_problem_on_its_line(tmp_path: Path, path: tuple[Any, ...]) -> None:
    """A list of a list is right nowhere."""
    whole = json.loads(json.dumps(WHOLE))
    block = whole
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = "WRONG"
    text = json.dumps(whole, indent=1).replace('"WRONG"', '[["wrong"]]')
    file = tmp_path / "beeyard.yaml"
    file.write_text(text, "utf-8")
    (line,) = (number for number, row in enumerate(text.splitlines(), 1) if '[["wrong"]]' in row)
    with pytest.raises(Invalid) as raised:
        loaded(file)
    assert [problem.line for problem in raised.value.problems] == [line], raised.value.problems


def test_the_documented_older_file_loads() -> None:
    """As it stands."""
    settings = loaded(OLDER)
    assert settings.forms == {str(OLDER): "older"}
    assert [(spec.id, spec.logs) for spec in settings.workers] == [
        ("echotest", LogSpec(Memory(10 * 1024**2), 3)),
        ("asked", LogSpec(Memory(100 * 1024**2), 10)),
        ("database", LogSpec()),
        ("oldest", LogSpec(Memory(100 * 1024**2), 10)),
    ]


def test_every_older_key_is_documented() -> None:
    """A new field of a block needs a line in the file."""
    blocks = [
        kind for kind in vars(older_shape).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    ]
    keys = {field.encode_name for kind in blocks for field in msgspec.structs.fields(kind)}
    words = set(re.findall(r"[a-z_]+", OLDER.read_text("utf-8")))
    assert keys - words == {"username", "password", "token", "cert_file", "key_file"}
