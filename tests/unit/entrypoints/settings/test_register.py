"""`register` of a worker and `advertise` of the master."""

from pathlib import Path

import pytest

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.errors import Invalid
from beeyard.entrypoints.settings import Settings, load

WORKER = "workers: [{id: w, register: true, execution: {executable_path: /bin/sh}}]\n"


def loaded(folder: Path, text: str) -> Settings:
    """What the file says."""
    file = folder / "beeyard.yaml"
    file.write_text(text)
    return load(str(file), environ={}, providers=PROVIDERS)


def test_a_worker_registers_where_the_master_can_be_called(tmp_path: Path) -> None:
    """What is advertised is in its usual form."""
    found = loaded(tmp_path, "master: {listen: 127.0.0.1:8600, advertise: YARD.example.org:80}\n" + WORKER)
    assert found.workers[0].register
    assert found.master.listen.advertise == "yard.example.org:80"
    assert not loaded(tmp_path, WORKER.replace("register: true, ", "")).workers[0].register


@pytest.mark.parametrize(
    ("master", "path"),
    [("{listen: none}", "register"), ("{}", "register"), ("{listen: 127.0.0.1:1, advertise: yard}", "advertise")],
)
def test_where_nobody_could_the_line_is_named(tmp_path: Path, master: str, path: str) -> None:
    """Of the worker, or of the address that is none."""
    with pytest.raises(Invalid) as invalid:
        loaded(tmp_path, f"master: {master}\n" + WORKER)
    (problem,) = invalid.value.problems
    assert problem.path.endswith(path)
    assert problem.line == (1 if path == "advertise" else 2)
