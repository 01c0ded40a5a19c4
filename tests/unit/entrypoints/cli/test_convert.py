"""`config convert` writes the same workers in our form, whatever the file had, and overwrites nothing unasked."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from beeyard.domain.errors import Invalid
from beeyard.entrypoints.cli import convert, local
from beeyard.entrypoints.settings import Settings
from tests.unit.entrypoints.cli.conftest import Run
from tests.unit.entrypoints.settings.test_older import CASES, OLDER

ODD = ["${HOME}", "$${x}", "8080", "1e3", "0x1F", "true", "null", "~", "", "-v", "a: b", "a #b", "a:", "'", '"', "\\"]
ODD += ["[x]", "{x}", "<<", "a=b", "é\u2028\x85\ufeff", "x\ty\nz", "---", "...", "? x", "*a", "&a", "!t", "%", "@", "`"]
BASIC = strategies.characters(exclude_characters="\0$", exclude_categories=["Cs"], max_codepoint=0xFFFF)
WORDS = strategies.sampled_from(ODD) | strategies.text(BASIC, max_size=8)
TIME = strategies.sampled_from(["1s", "250ms", "1h30m", "0"])
LONG = strategies.sampled_from(["1s", "2m"])
ATTEMPTS = strategies.fixed_dictionaries(
    {}, optional={"max_retries": strategies.integers(0, 9), "retry_delay": TIME, "backoff_rate": strategies.just(1.5)}
)
EXECUTION = strategies.fixed_dictionaries(
    {"executable_path": strategies.sampled_from(["/bin/sleep", "sleep", "bin/echo", "${BIN:-/bin}/sleep"])},
    optional={
        "args": strategies.lists(WORDS, max_size=4),
        "environment": strategies.lists(
            strategies.builds("{}={}".format, strategies.sampled_from(["A", "b_1", "${X:-c}", "A B", "9"]), WORDS)
        ),
        "working_directory": strategies.sampled_from(["/", "bin", None]),
        "wait_delay": TIME,
    },
)
CONTROL = strategies.fixed_dictionaries(
    {"execution": EXECUTION},
    optional={
        "restart_policy": strategies.sampled_from(["never", "always", {"policy": "always", "delay": "3s"}]),
        "context_aware_restart": strategies.fixed_dictionaries(
            {"health_failures": ATTEMPTS},
            optional={"severity_multipliers": strategies.just({"warning": 0.5}), "startup_grace_period": TIME},
        ),
        "process_file": strategies.sampled_from([{}, {"basedirectory": "${HOME:-/r}", "usesubdirectory": True}]),
        "graceful_timeout": TIME,
        "limits": strategies.sampled_from([{}, {"memory": {"max_rss": 5, "policy": "log"}}]),
        "log_collection": strategies.sampled_from(
            [{"enabled": False}, {"outputs": {"separate": {"stderr": [{"rotation": {"max_size": "5MB"}}]}}}]
        ),
    },
)
CHECK = strategies.sampled_from(
    [
        {"type": "process", "run_options": {"retries": 2}},
        {"type": "exec", "exec": {"command": "test", "args": ["-d", "/"]}},
        {"type": "http", "http": {"url": "http://localhost:1/${X:-x}?a=b#c", "headers": {"A": "1"}}},
    ]
)
WORKER = strategies.fixed_dictionaries(
    {
        "type": strategies.just("managed"),
        "unit": strategies.fixed_dictionaries(
            {
                "managed": strategies.fixed_dictionaries(
                    {"metadata": strategies.fixed_dictionaries({"name": WORDS}), "control": CONTROL},
                    optional={"health_check": CHECK},
                )
            }
        ),
    },
    optional={"enabled": strategies.booleans(), "profile_type": strategies.sampled_from(["web", "batch"])},
)
FILES = strategies.fixed_dictionaries(
    {"workers": strategies.lists(WORKER, max_size=3)},
    optional={
        "master": strategies.sampled_from([{"port": 5}, {"log_level": "info"}, {"force_shutdown_timeout": "3s"}]),
        "log_collection": strategies.just(
            {"default_worker": {"outputs": {"separate": {"stdout": [{"rotation": {"max_files": 7}}]}}}}
        ),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs are that the files name."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "bin").mkdir()
    (folder / "bin" / "echo").symlink_to("/bin/echo")
    return folder


def read(file: Path, text: str) -> Settings:
    """What a text says, without the words for its form."""
    file.write_text(text, "utf-8")
    loaded = local.load(str(file))
    loaded.forms.clear()
    return loaded


@settings(max_examples=80, deadline=None)
@given(whole=FILES)
def test_any_older_file_converted_loads_to_the_same(folder: Path, whole: dict[str, Any]) -> None:
    """Whatever words stand in it; and once converted it is as it will be."""
    for number, worker in enumerate(whole["workers"]):
        worker["id"] = f"w{number}"
    file = folder / "beeyard.yaml"
    before = read(file, json.dumps(whole, ensure_ascii=True))
    text = convert.converted(str(file))
    assert read(file, text) == before
    assert "unit" not in text.split()
    assert read(file, convert.converted(str(file))) == before


@pytest.mark.parametrize("case", [*CASES, OLDER], ids=lambda case: case.stem)
def test_each_case_converted_loads_to_the_same(folder: Path, case: Path) -> None:
    """What does not load is not converted."""
    file = folder / case.name
    before = None
    with contextlib.suppress(Invalid):
        before = read(file, case.read_text("utf-8"))
    if before:
        assert read(file, convert.converted(str(file))) == before
        return
    with pytest.raises(Invalid):
        convert.converted(str(file))


OLD = """\
# Two of them.
workers:
  # The first; it sleeps.
  - id: a
    type: managed
    unit:
      managed:  # by the master
        metadata: {name: "no # comment"}
        control:
          # what runs
          execution:
            executable_path: /bin/sleep   # from coreutils
            args: [infinity, "${HOME}", "🐝"]
            environment: ["PORT=8080"]
          graceful_timeout: 5s
# The end.
"""
NEW = """\
# Written by `beeyard config convert` from old.yaml.

# Two of them.
workers:
  # The first; it sleeps.
  - id: a
    # by the master
    # what runs
    execution:
      executable_path: /bin/sleep  # from coreutils
      args: [infinity, "${HOME}", "🐝"]
      environment: {PORT: "8080"}
      stop: {timeout: 5s}
      working_directory: /bin
# The end.
"""


def test_comments_and_variables_stay(run: Run, tmp_path: Path) -> None:
    """What was written, not what it was replaced with; printed unless it goes to a file."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    assert run("config", "convert", str(old)) == (0, NEW, "")
    assert run("config", "convert", str(old), "-o", str(new)) == (0, f"{new}: written\n", "")
    assert new.read_text() == NEW
    assert json.loads(run("config", "convert", str(old), "--json")[1])["text"] == NEW


def test_nothing_is_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    """With --force it is; and either way no other file is left."""
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text("mine")
    code, _, error = run("config", "convert", str(old), "-o", str(new))
    assert (code, error) == (
        4,
        f"error: {new} is there already\nhint: name another, or overwrite: --force\n",
    )
    assert new.read_text() == "mine"
    assert run("config", "convert", str(old), "-o", str(new), "--force")[0] == 0
    assert new.read_text() == NEW
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".yaml") == ["new.yaml", "old.yaml"]


def test_a_file_is_not_written_where_it_would_mean_something_else(run: Run, tmp_path: Path) -> None:
    """Relative paths start at the file's folder."""
    old, other = tmp_path / "old.yaml", tmp_path / "other"
    other.mkdir()
    old.write_text(OLD.replace("/bin/sleep ", "sleep "))
    code, _, error = run("config", "convert", str(old), "-o", str(other / "new.yaml"))
    assert (code, error) == (
        4,
        f"error: what {old} says would mean something else in {other}\n"
        "hint: its relative paths start at its own folder: write the new file beside it\n",
    )
    assert list(other.iterdir()) == []


def test_check_says_which_form_a_file_took(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each file read, in words and as JSON."""
    file, over = tmp_path / "beeyard.yaml", tmp_path / "beeyard-test.yaml"
    file.write_text(OLD)
    over.write_text("workers: [{id: b, execution: {executable_path: /bin/sleep}}]")
    monkeypatch.setenv("BEEYARD_ENVIRONMENT", "test")
    assert run("config", "check", str(file))[1] == (
        f"{file}: ok, 2 workers\n"
        f"{file}: older form (unit/control); `beeyard config convert` writes Beeyard's own\n"
        f"{over}: Beeyard's own form\n"
        "  a  process\n"
        "  b  process\n"
    )
    assert json.loads(run("config", "check", "--json", str(file))[1])["forms"] == {
        str(file): "older",
        str(over): "beeyard",
    }
