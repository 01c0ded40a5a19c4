"""Which module a worker runs, in every form that a file may say it in."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from beeyard.adapters.providers import PROVIDERS
from beeyard.domain.differences import between
from beeyard.domain.errors import Invalid
from beeyard.domain.limits import UNLIMITED
from beeyard.domain.module import ModuleSpec
from beeyard.domain.plan import Difference
from beeyard.domain.spec import ProbeSpec, StopStep, WorkerSpec, needs_restart
from beeyard.domain.values import Duration
from beeyard.entrypoints import settings

Load = Callable[..., list[WorkerSpec]]
Wrong = Callable[..., list[str]]

TERM = (StopStep(wait=Duration(3.0)),)
ECHO = "module: {module_name: 'echo.service:create'}"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The workers of a file beside which lies lib/echo.py, with one worker of these keys, or as many as it says."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "echo.py").write_text("")

    def do(keys: str, rest: str = "", **environ: str) -> list[WorkerSpec]:
        text = keys if "workers:" in keys else f"workers:\n- id: web\n  {keys.replace(chr(10), chr(10) + '  ')}\n{rest}"
        (tmp_path / "beeyard.yaml").write_text(text)
        environ = {"PATH": "/usr/bin:/bin", **environ}
        return settings.load(str(tmp_path / "beeyard.yaml"), environ=environ, providers=PROVIDERS).workers

    return do


@pytest.fixture
def wrong(load: Load, tmp_path: Path) -> Wrong:
    """Every problem with these keys, which start on line 3, without the name of the file and the worker."""

    def do(keys: str, rest: str = "") -> list[str]:
        with pytest.raises(Invalid) as raised:
            load(keys, rest)
        return [
            str(problem).removeprefix(f"{tmp_path}/beeyard.yaml:").replace("workers[0].", "").replace(str(tmp_path), "")
            for problem in raised.value.problems
        ]

    return do


def test_one_word_says_where_a_module_runs_and_changes_nothing_else(load: Load) -> None:
    """Only the provider differs, and what a process alone has: its section."""
    rest = (
        "\nmodule: {module_name: 'echo.service:create', config: {greeting: hello}, start_timeout: 5s, stop_timeout: 3s}"
        "\nendpoints: {http: {protocol: http, port: auto}}\nprobes: {liveness: {module: true, period: 2s}}"
    )
    (inside,), (outside,) = load(f"provider: module{rest}"), load(f"provider: process{rest}")
    assert structs.replace(outside, provider="module", run={}) == inside
    assert load(f"type: module{rest}") == [inside]
    assert outside.run == {"working_directory": inside.origin.removesuffix("/beeyard.yaml")}
    assert inside.stop == TERM
    assert inside.probes == {"liveness": ProbeSpec("module", period=Duration(2.0))}
    assert inside.module == ModuleSpec(
        "echo.service:create", outside.run["working_directory"], {"greeting": "hello"}, Duration(5.0)
    )
    assert load(f"provider: module\n{ECHO}")[0].stop == load(f"provider: process\n{ECHO}")[0].stop == (StopStep(),)


@pytest.mark.parametrize(
    ("keys", "factory", "folder"),
    [
        ("module: {module_type: plugin, module_name: 'echo.service:create'}", "echo.service:create", "."),
        ("module: {module_type: plugin, module_name: echo.service, entry_point: create}", "echo.service:create", "."),
        ("module: {module_name: lib/echo.py, entry_point: Echo.create}", "echo:Echo.create", "lib"),
        ("module: {module_path: lib/echo.py, entry_point: create}", "echo:create", "lib"),
        ("module_type: plugin\nmodule_name: lib/echo.py\nmodule: {entry_point: create}", "echo:create", "lib"),
        ("module: {module_name: data-processor}", "data-processor", ""),
        ("module: {module_type: native, module_name: data-processor}", "data-processor", ""),
        ("module_type: native\nmodule_name: data-processor", "data-processor", ""),
        ("package: echo\nmodule: {module_path: lib/echo.py, entry_point: create}", "lib.echo:create", ""),
        ("package: echo\nmodule: {module_name: 'echo:create'}", "echo:create", ""),
        ("package: echo\nmodule: {config: {}}", "", ""),
        ("package: echo", "", ""),
    ],
)
def test_a_module_is_named_in_several_ways(load: Load, tmp_path: Path, keys: str, factory: str, folder: str) -> None:
    """By its name from the worker file's folder on, by a file, as registered; a package says its own folder."""
    (spec,) = load(f"type: module\n{keys}")
    assert spec.module == ModuleSpec(factory, str(tmp_path / folder) if folder else "")


def test_a_configuration_holds_any_value(load: Load) -> None:
    """Variables are replaced; secrets stay names, and a text that only looks like one is told apart."""
    config = """\
module_name: echo
config:
  port: ":8080"
  size: 0x10
  ratio: 1.5
  debug: true
  nothing:
  quoted: "12"
  home: ${HOME}
  token: Bearer ${secret:api}
  literal: $${secret:api}
  nested: {list: [1, {deep: [two]}]}"""
    text = "secrets: {api: {env: API}}\n"
    (spec,) = load(f"type: module\n{config}", text, HOME="/home/bee")
    assert spec.module is not None
    assert spec.module.config == {
        "port": ":8080",
        "size": 16,
        "ratio": 1.5,
        "debug": True,
        "nothing": None,
        "quoted": "12",
        "home": "/home/bee",
        "token": "Bearer ${secret:api}",
        "literal": "$${secret:api}",
        "nested": {"list": [1, {"deep": ["two"]}]},
    }


def test_older_defaults_go_to_where_they_belong(load: Load) -> None:
    """Those for modules to modules, those for processes to processes; what `defaults` says comes before both."""
    first, second = load(
        "workers:\n"
        "- {id: a, type: module, module_type: native, module_name: data, config: {port: 1}}\n"
        "- {id: b, execution: {executable_path: /bin/sh}}\n"
        "defaults: {exit_on: failure}\n"
        "global:\n"
        "  module_defaults: {exit_on: never, restart_policy: always, config: {size: 2}}\n"
        "  process_defaults: {restart_policy: never, health_check: {type: process}}\n"
    )
    assert first.module == ModuleSpec("data", "", {"port": 1, "size": 2})
    assert [(spec.exit_on, spec.restart.policy) for spec in (first, second)] == [
        ("failure", "always"),
        ("failure", "never"),
    ]
    assert (first.probes, [*second.probes]) == ({}, ["readiness", "liveness"])


def test_a_module_in_a_process_may_have_all_that_processes_have(load: Load) -> None:
    """Its executable is the Python that runs it; limits hold."""
    (spec,) = load(f"{ECHO}\nexecution: {{executable_path: sh, nice: 5}}\nlimits: {{memory: {{max_rss: 1GB}}}}")
    assert (spec.run["executable_path"], spec.run["nice"]) == ("/usr/bin/sh", 5)
    assert "memory.max_rss" in spec.limits.bounds
    (inside,) = load(f"defaults: {{limits: {{memory: {{max_rss: 1GB}}}}}}\nworkers: [{{id: a, type: module, {ECHO}}}]")
    assert inside.limits == UNLIMITED


def test_no_plan_shows_what_a_module_is_configured_with(load: Load) -> None:
    """That it differs is told, and makes another attempt."""
    one, other = (
        load(f"module: {{module_name: '{name}:create', config: {{password: {word}}}}}")[0]
        for name, word in (("echo", "old"), ("hello", "new"))
    )
    assert needs_restart(one, other)
    assert between(one, other) == {
        "module": (
            Difference("module.module_name", "echo:create", "hello:create"),
            Difference("module.config.password", "[REDACTED]", "[REDACTED]"),
        )
    }
    gained = between(structs.replace(one, module=None), one)["module"]
    assert [difference.field for difference in gained] == [
        "module.module_name",
        "module.folder",
        "module.config.password",
    ]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            "type: module",
            "2: module: found nothing, expected which module it runs: {module_name: echo.service:create}",
        ),
        (
            "module: {}",
            "3: module.module_name: found nothing, expected `package.module:factory`, a file with its "
            "`entry_point`, or the name of a registered factory",
        ),
        (
            "module: {module_name: a, entrypoint: b}",
            "3: module.entrypoint: found 'entrypoint', expected a known key (did you mean 'entry_point'?)",
        ),
        (
            "module: {module_name: lib/echo.py}",
            "3: module.entry_point: found nothing, expected the name of the factory in lib/echo.py",
        ),
        (
            "module: {module_name: lib/eco.py, entry_point: create}",
            "3: module.module_name: found 'lib/eco.py', no such file, expected an existing file (/lib/eco.py)",
        ),
        (
            "module: {module_path: data.so, entry_point: New-It}",
            "3: module.entry_point: found 'New-It', expected the name of a function or a class",
        ),
        (
            "module: {module_path: lib/data-processor.so, entry_point: New}",
            "3: module.module_path: found 'lib/data-processor.so', expected a module such as echo.service, or "
            "a file that ends in .py",
        ),
        (
            "module: {module_name: 'a:b', entry_point: c}",
            "3: module.entry_point: found 'c', expected no such key: line 3 names the factory",
        ),
        (
            "module: {module_name: 'a b'}",
            "3: module.module_name: found 'a b', expected `package.module:factory`, a file with its "
            "`entry_point`, or the name of a registered factory",
        ),
        (
            "module: {module_type: native, module_name: 'a:b'}",
            "3: module.module_name: found 'a:b', expected a registered name, as `module_type` is native (or "
            "write `module_type: plugin`)",
        ),
        (
            "module: {module_type: plugin, module_name: a}",
            "3: module.module_name: found 'a', expected `package.module:factory`, or a file with its "
            "`entry_point`, as `module_type` is plugin (or write `module_type: native`)",
        ),
        (
            "module: {module_type: wasm, module_name: a}",
            "3: module.module_type: found 'wasm', expected native or plugin",
        ),
        (
            "module: {module_name: a, module_path: b}",
            "3: module.module_path: found 'b', expected 'a', as line 3 says for the same thing",
        ),
        (
            "module: {module_name: a}\nmodule_name: b",
            "4: module_name: found 'b', expected 'a', as line 3 says for the same thing",
        ),
        (
            "module: {module_name: a, config: [1]}",
            "3: module.config: found a list, expected a mapping",
        ),
        (
            "module: {module_name: a, config: {n: 1e999}}",
            "3: module.config.n: found 1e999, expected a smaller number (quote it to have it as text)",
        ),
        (
            "module: {module_name: a, config: {n: 100000000000000000000}}",
            "3: module.config.n: found 100000000000000000000, expected a smaller number (quote it to have it as text)",
        ),
        (
            "module: {module_name: a, config: {t: '${secret:x}'}}",
            "3: module.config.t: found the secret 'x', expected one that `secrets:` names (known: none)",
        ),
        (
            "module: {module_name: a, start_timeout: 0s}",
            "3: module.start_timeout: found '0s', expected a duration of at least 1ms",
        ),
        (
            "module: {module_name: a, stop_timeout: 1s}\nexecution: {stop: {timeout: 2s}}",
            "3: module.stop_timeout: found '1s', expected the same as line 4 says, or only one of the two",
        ),
        (
            f"type: module\n{ECHO}\nexecution: {{nice: 1}}",
            "5: execution: found a section of the provider process, expected none: the provider is module "
            "(`provider: process` runs the same module as a process, which can have it)",
        ),
        (
            f"type: module\n{ECHO}\nlimits: {{cpu: {{max_cores: 1}}}}",
            "5: limits: found `limits`, expected no such key: a module in the master shares its memory "
            "(`provider: process` runs the same module as a process, which can have it)",
        ),
        (
            f"{ECHO}\nexecution: {{args: [a]}}",
            "4: execution.args: found `args`, expected no such key beside a module (a module is told things by "
            "its `config`)",
        ),
        (
            f"kind: integrated\n{ECHO}",
            "4: module: found a module, expected the kind managed (a module is asked by its own probes, without gRPC)",
        ),
        (
            f"kind: unmanaged\n{ECHO}\ndiscovery: {{method: port, port: 80}}",
            "4: module: found `module`, expected no such key for an unmanaged worker (it is found, not "
            "started, so it runs no module)",
        ),
        (
            "execution: {executable_path: /bin/sh}\nprobes: {liveness: {module: true}}",
            "4: probes.liveness.module: found `module`, expected another probe (the worker runs no module)",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_line_with_what_to_do(wrong: Wrong, keys: str, problem: str) -> None:
    """One problem for one mistake."""
    assert wrong(keys) == [problem]
