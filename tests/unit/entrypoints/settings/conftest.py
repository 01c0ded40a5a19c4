"""Loads worker files written inside a test, from an empty folder of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Invalid
from beeyard.domain.spec import WorkerSpec
from beeyard.entrypoints import settings

Load = Callable[..., settings.Settings]
Errors = Callable[..., list[str]]
One = Callable[..., WorkerSpec]

SHELL = "workers:\n- id: web\n  execution: {executable_path: /bin/sh}\n"
"""The smallest worker file; more keys of the worker may follow."""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write the text to a file and load it, the keywords being the environment."""
    monkeypatch.chdir(tmp_path)

    def do(text: str | bytes, file: str = "beeyard.yaml", **environ: str) -> settings.Settings:
        Path(file).write_bytes(text.encode() if isinstance(text, str) else text)
        return settings.load(file, environ={"PATH": "/usr/bin:/bin", **environ}, providers=PROVIDERS)

    return do


@pytest.fixture
def errors(load: Load) -> Errors:
    """Every problem with a text, in words."""

    def do(text: str | bytes, file: str = "beeyard.yaml", **environ: str) -> list[str]:
        with pytest.raises(Invalid) as raised:
            load(text, file, **environ)
        assert raised.value.code == "config_invalid"
        return [str(problem) for problem in raised.value.problems]

    return do


@pytest.fixture
def one(load: Load) -> One:
    """The worker that the smallest file and some more keys make."""

    def do(keys: str = "", **environ: str) -> WorkerSpec:
        (spec,) = load(with_keys(keys), **environ).workers
        return spec

    return do


@pytest.fixture
def wrong(errors: Errors) -> Errors:
    """The problems that some more keys make in the smallest file; they start on line 4."""
    return lambda keys, **environ: errors(with_keys(keys), **environ)


def with_keys(keys: str) -> str:
    """The smallest file with more keys of its worker."""
    return SHELL + "".join(f"  {line}\n" for line in keys.splitlines())
