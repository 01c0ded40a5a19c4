"""TOML gives the same settings as YAML, with lines."""

import pytest

from beeyard.entrypoints.settings import toml_tree, tree
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load
from tests.unit.entrypoints.settings.test_yaml import places

TEXT = '''\
# every way to write a table
master.name = "x"
master . "listen" = "none"

[defaults.logs]
max_files = 1_0

[[workers]]
id = "a" # first
execution = { executable_path = "/bin/sh", args = [
  "x]", # ]
  """y
  "quoted" ""\\"""",
], environment.A = 'b' }
[workers.endpoints.http]
port = 8080
[[workers]]
id = \'\'\'b\'\'\'
[workers."execution"]
executable_path = "/bin/sh"
'''


def test_every_value_knows_its_line() -> None:
    """Dotted keys, inline tables, arrays of tables, texts over several lines."""
    report = tree.Report()
    found = dict(places(toml_tree.read("f", TEXT, report, lambda scalar: scalar)))
    assert not report.problems
    assert found == {
        "": 1, "master": 2, "master.name": 2, "master.listen": 3, "defaults": 5, "defaults.logs": 5,
        "defaults.logs.max_files": 6, "workers": 8, "workers[0]": 8, "workers[0].id": 9, "workers[0].execution": 10,
        "workers[0].execution.executable_path": 10, "workers[0].execution.args": 10,
        "workers[0].execution.args[0]": 11, "workers[0].execution.args[1]": 12,
        "workers[0].execution.environment": 14, "workers[0].execution.environment.A": 14,
        "workers[0].endpoints": 15, "workers[0].endpoints.http": 15, "workers[0].endpoints.http.port": 16,
        "workers[1]": 17, "workers[1].id": 18, "workers[1].execution": 19,
        "workers[1].execution.executable_path": 20,
    }  # fmt: skip


def test_toml_says_the_same_as_yaml(load: Load) -> None:
    """The smallest file in both."""
    toml = load('[[workers]]\nid = "web"\nexecution.executable_path = "/bin/sh"\n', "beeyard.toml")
    assert toml.workers[0].run == load(SHELL).workers[0].run


def test_errors_cite_the_line(errors: Errors) -> None:
    """Also inside inline tables that span lines."""
    assert errors(TEXT.replace("8080", "'x'").replace('"x]"', "true"), "beeyard.toml") == [
        'beeyard.toml:11: workers[0].execution.args[0]: found true, expected text (quote it: "true")',
        "beeyard.toml:16: workers[0].endpoints.http.port: found 'x', expected a port from 0 to 65535, or `auto`",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = 1\nb = \n", "beeyard.toml:2: syntax: found invalid value, expected valid TOML"),
        ("a = 1\na = 2\n", "beeyard.toml:2: syntax: found cannot overwrite a value, expected valid TOML"),
        ("a = [1,\n", "beeyard.toml:1: syntax: found invalid value, expected valid TOML"),
        (
            "a = " + "[" * 60 + "]" * 60,
            "beeyard.toml:1: syntax: found deeper nesting than that, expected at most 50 levels",
        ),
        (
            "a = " + "[" * 9000 + "]" * 9000,
            "beeyard.toml:1: syntax: found deeper nesting than that, expected at most 50 levels",
        ),
    ],
)
def test_what_is_no_toml(errors: Errors, text: str, error: str) -> None:
    """Each with its line."""
    assert errors(text, "beeyard.toml") == [error]
