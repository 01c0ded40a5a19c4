"""YAML as Beeyard reads it: lines, doubled keys, anchors, and what is refused."""

import pytest

from beeyard.entrypoints.settings import tree, yaml_tree
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load, One


def lines(text: str) -> dict[str, int]:
    """Path -> line of everything in a text."""
    report = tree.Report()
    root = yaml_tree.read("f", text, report, lambda scalar: scalar)
    assert not report.problems
    return dict(places(root))


def places(node: tree.Node | None) -> list[tuple[str, int]]:
    """Every node's path and line."""
    assert node
    below = {tree.Mapping: "entries", tree.Sequence: "items"}.get(type(node))
    inner = getattr(node, below) if below else []
    return [
        (node.path, node.line),
        *(pair for child in (inner.values() if isinstance(inner, dict) else inner) for pair in places(child)),
    ]


def test_every_value_knows_its_line() -> None:
    """Block and flow style, texts over several lines, comments between."""
    text = "a:\n  b: [1,\n    2]\n# note\nc: |\n  x\n  y\nd:\n- e: {f: 1,\n      g: 2}\n"
    assert lines(text) == {
        "": 1, "a": 1, "a.b": 2, "a.b[0]": 2, "a.b[1]": 3, "c": 5, "d": 8, "d[0]": 9, "d[0].e": 9, "d[0].e.f": 9,
        "d[0].e.g": 10,
    }  # fmt: skip


def test_merge_keys_and_aliases_work(load: Load) -> None:
    """What is merged gives way to what is written."""
    spec = load(
        "defaults: &some {logs: {max_files: 2, max_size: 1MB}}\n"
        "workers:\n"
        "- id: a\n"
        "  logs: &logs {max_files: 3}\n"
        "  execution: &run {executable_path: /bin/sh, args: [x]}\n"
        "- id: b\n"
        "  logs: *logs\n"
        "  execution: {<<: *run, args: [y]}\n"
    ).workers[1]
    assert (spec.logs.max_files, spec.logs.max_size) == (3, 1024**2)
    assert (spec.run["executable_path"], spec.run["args"]) == ("/bin/sh", ["y"])


def test_numbers_are_as_yaml_1_2_has_them(one: One) -> None:
    """010 is ten, 0o10 eight, and `no` a word."""
    assert one("logs: {max_files: 010}").logs.max_files == 10
    assert one("logs: {max_files: 0o10}").logs.max_files == 8
    assert one("probes: {liveness: {exec: [no, 010, 1.10]}}").probes["liveness"].command == ("no", "010", "1.10")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            SHELL + "  enabled: true\n  enabled: false\n",
            "beeyard.yaml:5: workers[0].enabled: found the key 'enabled' again, after line 4, expected each key once",
        ),
        (SHELL + "  logs: *x\n", "beeyard.yaml:4: workers[0].logs: found *x, expected an anchor &x complete before it"),
        (
            SHELL + "  enabled: !x 1\n",
            "beeyard.yaml:4: workers[0].enabled: found the tag !x, expected a value without tag",
        ),
        (SHELL + "  [a]: 1\n", "beeyard.yaml:4: workers[0]: found a list as a key, expected text as a key"),
        (SHELL + "  <<: 1\n", "beeyard.yaml:4: workers[0].<<: found 1, expected a mapping to merge"),
        (SHELL + "---\nx: 1\n", "beeyard.yaml:4: file: found a second document, expected one document a file"),
        ("a: b: c\n", "beeyard.yaml:1: syntax: found mapping values are not allowed here, expected valid YAML"),
        (
            "a:\n\tb: 1\n",
            "beeyard.yaml:2: syntax: found character '\\t' that cannot start any token, expected valid YAML",
        ),
        ("a: [1,\n", "beeyard.yaml:1: syntax: found '<stream end>', expected the node content"),
        ("a: \x01\n", "beeyard.yaml:1: syntax: found a character that YAML does not allow, expected valid YAML"),
        (
            "a: {p: ${X}}\n",
            "beeyard.yaml:1: syntax: found '{', expected ',' or '}' (quote \"${...}\" inside { } and [ ])",
        ),
        ("[" * 60, "beeyard.yaml:1: syntax: found '<stream end>', expected the node content"),
        ("[" * 60 + "]" * 60, "beeyard.yaml:1: syntax: found deeper nesting than that, expected at most 50 levels"),
    ],
)
def test_what_is_no_yaml_for_us(errors: Errors, text: str, error: str) -> None:
    """Each with its line."""
    assert error in errors(text)


def test_addresses_stand_inside_brackets_without_quotes(load: Load) -> None:
    """The parser in C refuses what the YAML 1.2 of the example needs."""
    text = "workers: [{id: a, execution: {executable_path: /bin/sh, args: [http://x:80/y, a:b]}}]"
    assert load(text).workers[0].run["args"] == ["http://x:80/y", "a:b"]
