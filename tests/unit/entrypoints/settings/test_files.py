"""Finding and reading files, and laying the one for an environment over them."""

import os
from pathlib import Path

import pytest

from beeyard.domain.errors import Invalid, NotFound
from beeyard.entrypoints import settings
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load


@pytest.mark.parametrize("name", ["beeyard.yaml", "beeyard.yml", "beeyard.toml"])
def test_a_folder_has_one_worker_file(tmp_path: Path, name: str) -> None:
    """By any of three names."""
    (tmp_path / name).touch()
    assert settings.find(str(tmp_path)) == str(tmp_path / name)


def test_a_folder_with_none_or_two_says_so(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(NotFound) as missing:
        settings.find(str(tmp_path))
    assert (str(missing.value), missing.value.hint) == (
        f"no worker file in {tmp_path}",
        "write a beeyard.yaml, or name the file",
    )
    (tmp_path / "beeyard.yaml").touch()
    (tmp_path / "beeyard.toml").touch()
    with pytest.raises(Invalid) as ambiguous:
        settings.find(str(tmp_path))
    assert str(ambiguous.value) == f"{tmp_path} has beeyard.yaml and beeyard.toml"


def test_a_missing_file_is_not_found() -> None:
    """Not a traceback."""
    with pytest.raises(NotFound, match=r"^no worker file /no/such/file\.yaml$"):
        settings.load("/no/such/file.yaml", environ={}, providers={})


def test_a_directory_is_no_worker_file(tmp_path: Path) -> None:
    """It says so."""
    with pytest.raises(Invalid) as raised:
        settings.load(str(tmp_path), environ={}, providers={})
    assert [str(problem) for problem in raised.value.problems] == [
        f"{tmp_path}:1: file: found a directory, expected a worker file"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_can_not_be_read(load: Load, errors: Errors) -> None:
    """The system's words."""
    load(SHELL, "a.yaml")
    Path("a.yaml").chmod(0)
    with pytest.raises(Invalid) as raised:
        settings.load("a.yaml", environ={}, providers={})
    assert str(raised.value.problems[0]) == "a.yaml:1: file: found permission denied, expected a file that can be read"


def test_files_that_are_no_text(errors: Errors) -> None:
    """Other encodings with the line, and large ones unread."""
    assert errors(b"a: 1\nb: \xff\n") == ["beeyard.yaml:2: file: found the byte 0xff, expected text in UTF-8"]
    assert errors(b"#" * (4 * 1024**2 + 1)) == [
        "beeyard.yaml:1: file: found more than 4MB, expected a worker file of at most 4MB"
    ]


def test_a_byte_order_mark_is_no_text(load: Load) -> None:
    """Editors on Windows write it."""
    assert load(b"\xef\xbb\xbf" + SHELL.encode()) == load(SHELL)
    assert load(b"\xef\xbb\xbfworkers = []", "beeyard.toml").workers == []


@pytest.mark.parametrize("name", ["beeyard-test.yaml", "workers-test.yaml", "beeyard-test.toml"])
def test_the_overlay_meets_workers_by_id(load: Load, tmp_path: Path, name: str) -> None:
    """Key by key; new workers come last."""
    yaml = (
        "master: {name: test}\nworkers:\n- {id: web, enabled: false, execution: {nice: 3}}\n"
        "- {id: more, execution: {executable_path: /bin/sh}}\n"
    )
    toml = (
        'master.name = "test"\nworkers = [{id = "web", enabled = false, execution.nice = 3}, '
        '{id = "more", execution.executable_path = "/bin/sh"}]'
    )
    (tmp_path / name).write_text(toml if name.endswith("toml") else yaml, "utf-8")
    text = "master: {shutdown_timeout: 1s}\n" + SHELL
    assert [spec.id for spec in load(text).workers] == ["web"]
    loaded = load(text, BEEYARD_ENVIRONMENT="test")
    assert (loaded.name, loaded.shutdown_timeout, [spec.id for spec in loaded.workers]) == (
        "test",
        1.0,
        ["web", "more"],
    )
    web = loaded.workers[0]
    assert (web.enabled, web.run["nice"], web.run["executable_path"]) == (False, 3, "/bin/sh")


def test_errors_in_the_overlay_cite_it(errors: Errors, tmp_path: Path) -> None:
    """After those of the file itself."""
    (tmp_path / "beeyard-test.yaml").write_text("workers:\n- id: web\n  enabled: 3\n", "utf-8")
    assert errors("mastr: 1\n" + SHELL + "  instances: x\n", BEEYARD_ENVIRONMENT="test") == [
        "beeyard.yaml:1: mastr: found 'mastr', expected a known key (did you mean 'master'?)",
        "beeyard.yaml:5: workers[0].instances: found 'x', expected a whole number",
        "beeyard-test.yaml:3: workers[0].enabled: found 3, expected true or false",
    ]


def test_a_named_environment_needs_its_file(errors: Errors, tmp_path: Path) -> None:
    """Exactly one."""
    assert errors(SHELL, BEEYARD_ENVIRONMENT="test") == [
        "beeyard.yaml:1: BEEYARD_ENVIRONMENT: found 'test', but no file for it, expected one overlay beside "
        "beeyard.yaml "
        "(such as beeyard-test.yaml)"
    ]
    (tmp_path / "beeyard-test.yaml").touch()
    (tmp_path / "workers-test.yaml").touch()
    assert errors(SHELL, BEEYARD_ENVIRONMENT="test") == [
        "beeyard.yaml:1: BEEYARD_ENVIRONMENT: found beeyard-test.yaml and workers-test.yaml, expected one overlay "
        "beside "
        "beeyard.yaml (such as beeyard-test.yaml)"
    ]
