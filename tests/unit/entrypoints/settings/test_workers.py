"""Workers: defaults, groups, dependencies, providers, and names that clash."""

import os
import socket

import msgspec
import pytest
from msgspec.structs import replace

from beeyard.domain.master import MasterSpec
from beeyard.domain.spec import Endpoint, Listen, LogSpec, Need, WorkerSpec
from beeyard.domain.values import Memory
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load, One


def worker(name: str, keys: str = "") -> str:
    """One item of a list of workers, on one line."""
    return f"- {{id: {name}, execution: {{executable_path: /bin/sh}}, {keys}}}\n"


def test_the_smallest_file_takes_every_default(load: Load, one: One) -> None:
    """Only an id and a program need be said."""
    loaded = load(SHELL)
    assert (loaded.name, loaded.master, loaded.shutdown_timeout) == (socket.gethostname(), MasterSpec(), 30.0)
    (spec,) = loaded.workers
    assert (spec.id, spec.provider, spec.enabled, spec.origin) == ("web", "process", True, loaded.path)
    assert spec.run == {"executable_path": "/bin/sh", "working_directory": loaded.path.removesuffix("/beeyard.yaml")}


def test_defaults_meet_the_worker_key_by_key(load: Load) -> None:
    """The worker wins, then `defaults`, then the older `global` block."""
    spec = load(
        "global: {process_defaults: {logs: {max_size: 1MB, max_files: 1}, enabled: false}}\n"
        "defaults: {logs: {max_files: 2}, execution: {nice: 3}}\n" + SHELL + "  logs: {max_files: 9}\n"
    ).workers[0]
    assert (spec.logs, spec.enabled, spec.run["nice"]) == (LogSpec(Memory(1024**2), 9), False, 3)


def test_a_problem_in_defaults_is_told_once_where_it_stands(errors: Errors) -> None:
    """Not once a worker."""
    assert errors("defaults: {enabled: 7}\nworkers:\n" + worker("a") + worker("b")) == [
        "beeyard.yaml:1: defaults.enabled: found 7, expected true or false"
    ]


def test_instances_make_a_group_and_dependants_wait_for_all(load: Load) -> None:
    """`web` in depends_on means every instance; one instance may be named too."""
    text = "workers:\n" + worker("web", "instances: 2") + worker("a", "depends_on: {web: healthy}")
    specs = load(text + worker("b", "depends_on: [web.2]") + worker("one", "instances: 1")).workers
    assert {spec.id: spec.depends_on for spec in specs} == {
        "web.1": {},
        "web.2": {},
        "a": {"web.1": "healthy", "web.2": "healthy"},
        "b": {"web.2": "ready"},
        "one.1": {},
    }


def test_endpoints_keep_port_0_for_auto(one: One) -> None:
    """The master chooses then."""
    assert one(
        "endpoints: {http: {protocol: http, port: auto}, db: {port: 5432, host: '::1', path: /x}}"
    ).endpoints == {
        "http": Endpoint("http", 0),
        "db": Endpoint("tcp", 5432, "::1", "/x"),
    }


@pytest.mark.parametrize("key", ["provider: process", "type: process", "type: managed", "kind: managed"])
def test_all_spellings_of_a_managed_process_are_one(one: One, key: str) -> None:
    """`type` is a synonym of `provider`, and the older kinds mean a process."""
    assert one(key) == one()


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("provider: proces", "workers[0].provider: found 'proces', expected the name of a provider (did you mean "
         "'process'?)"),
        ("docker: {image: x}", "workers[0].docker: found a section of the provider docker, expected none: the provider "
         "is process"),
        ("depends_on: [wb]", "workers[0].depends_on[0]: found 'wb', expected the id of a worker in this file (did you "
         "mean 'web'?)"),
        ("depends_on: [web]", "workers[0].depends_on[0]: found 'web', expected another worker than itself"),
        ("depends_on: {web: redy}", "workers[0].depends_on.web: found 'redy', expected started, ready, healthy or "
         "completed (did you mean 'ready'?)"),
    ],
)  # fmt: skip
def test_what_a_worker_can_not_be(wrong: Errors, keys: str, error: str) -> None:
    """Each with the nearest right word."""
    assert wrong(keys) == [f"beeyard.yaml:4: {error}"]


def test_a_need_is_a_condition_or_says_more(load: Load) -> None:
    """A mapping that asks for no restart is the condition alone, as older versions read it."""
    forms = {
        "[db]": "ready",
        "{db: started}": "started",
        "{db: {condition: completed}}": "completed",
        "{db: {condition: healthy, restart: false}}": "healthy",
        "{db: {restart: true}}": Need("ready", restart=True),
        "{db: {condition: started, restart: true}}": Need("started", restart=True),
    }
    for written, need in forms.items():
        (web, _) = load("workers:\n" + worker("web", f"depends_on: {written}") + worker("db")).workers
        assert web.depends_on == {"db": need}
        assert msgspec.json.decode(msgspec.json.encode(web), type=WorkerSpec) == web


@pytest.mark.parametrize(
    ("need", "error"),
    [
        ("{condition: redy}", "condition: found 'redy', expected started, ready, healthy or completed (did you mean "
         "'ready'?)"),
        ("{restarts: true}", "restarts: found 'restarts', expected a known key (did you mean 'restart'?)"),
        ("{restart: maybe}", "restart: found 'maybe', expected true or false"),
    ],
)  # fmt: skip
def test_what_a_need_can_not_say(errors: Errors, need: str, error: str) -> None:
    """Told at the key inside the mapping."""
    text = "workers:\n" + worker("db") + worker("web", f"depends_on: {{db: {need}}}")
    assert errors(text) == [f"beeyard.yaml:3: workers[1].depends_on.db.{error}"]


@pytest.mark.parametrize("word", ["never", "failure"])
def test_exit_on_is_taken_as_written(one: One, word: str) -> None:
    """The whole master stops with this worker, or nothing else does."""
    assert one(f"exit_on: {word}").exit_on == word


def test_instances_can_not_share_a_port(wrong: Errors) -> None:
    """Only `auto` gives each its own."""
    assert wrong("instances: 2\nendpoints: {a: {port: 80}}") == [
        "beeyard.yaml:5: workers[0].endpoints.a.port: found 80, expected `auto`: all instances would open the same "
        "port (with `listen: true` they share one socket)"
    ]


def test_instances_can_share_a_socket(load: Load) -> None:
    """One that Beeyard opens."""
    text = "workers:\n" + worker("web", "instances: 2, endpoints: {a: {port: 80, listen: true}}")
    assert [spec.endpoints for spec in load(text).workers] == [{"a": Endpoint(port=80, listen=Listen())}] * 2


@pytest.mark.parametrize(
    ("written", "listen"),
    [
        ("true", Listen()),
        ("false", None),
        ("{unix: run/a.sock}", Listen("HERE/run/a.sock")),
        ("{unix: /run/a.sock, mode: 666, user: root, group: root}", Listen("/run/a.sock", 0o666, "root", "root")),
    ],
)
def test_listen_is_a_word_or_a_mapping(one: One, written: str, listen: Listen | None) -> None:
    """A file lies beside the worker file unless it says otherwise."""
    found = one(f"endpoints: {{a: {{listen: {written}}}}}").endpoints["a"].listen
    assert found == (listen and replace(listen, unix=listen.unix.replace("HERE", os.getcwd())))


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("maybe", "listen: found 'maybe', expected true or false"),
        ("{mode: 666}", "listen.unix: found nothing, expected a path; `listen: true` listens at host and port"),
        ("{unix: a, mode: rw}", "listen.mode: found 'rw', expected an octal mode such as \"660\""),
        ("{unix: a, user: no-such-user}", "listen.user: found 'no-such-user', expected a user of this host"),
    ],
)
def test_what_listen_can_not_say(wrong: Errors, written: str, error: str) -> None:
    """Told at the key."""
    assert wrong(f"endpoints: {{a: {{listen: {written}}}}}") == [f"beeyard.yaml:4: workers[0].endpoints.a.{error}"]


def test_two_spellings_that_disagree_are_an_error(wrong: Errors) -> None:
    """Whichever stands first is taken at its word."""
    assert wrong("kind: integrated\ntype: managed") == [
        "beeyard.yaml:4: workers[0].kind: found 'integrated', expected the kind managed, as line 5 says"
    ]
    assert wrong("provider: process\ntype: other") == [
        "beeyard.yaml:5: workers[0].type: found 'other', expected the provider process, as line 4 says"
    ]


def test_an_id_is_used_once(errors: Errors) -> None:
    """Both lines are named; a name with an instance's number is no name."""
    assert errors("workers:\n" + worker("a", "instances: 2") + worker("b") + worker("a") + worker("a.1")) == [
        "beeyard.yaml:4: workers[2].id: found 'a' again, after line 2, expected an id of its own",
        "beeyard.yaml:5: workers[3].id: found 'a.1', expected 1 to 64 letters, digits, '_' or '-'",
    ]


def test_a_circle_is_named_once(errors: Errors) -> None:
    """From the worker that stands first, groups by their own name."""
    text = (
        worker("a", "depends_on: [b]") + worker("b", "instances: 2, depends_on: [c]") + worker("c", "depends_on: [a]")
    )
    assert errors("workers:\n" + worker("x", "depends_on: [a]") + text) == [
        "beeyard.yaml:3: workers[1].depends_on[0]: found a circle: a -> b -> c -> a, expected no way back"
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "beeyard.yaml:1: file: found nothing, expected `workers:` and a list of workers"),
        ("# only a comment\n", "beeyard.yaml:1: file: found nothing, expected `workers:` and a list of workers"),
        ("x", "beeyard.yaml:1: file: found 'x', expected a mapping"),
        ("[]", "beeyard.yaml:1: file: found a list, expected a mapping"),
        ("master: {}", "beeyard.yaml:1: workers: found nothing, expected a list of workers"),
        ("workers: {a: 1}", "beeyard.yaml:1: workers: found a mapping, expected a list of workers"),
        ("workers: [1]", "beeyard.yaml:1: workers[0]: found 1, expected a mapping"),
        ("workers: [{id: a}]", "beeyard.yaml:1: workers[0].execution: found nothing, expected what the provider "
         "process runs"),
        (SHELL + "master: {shutdown_timeout: 1s, force_shutdown_timeout: 2s}", "beeyard.yaml:4: "
         "master.force_shutdown_timeout: "
         "found '2s', expected '1s', as line 4 says for the same thing"),
    ],
)  # fmt: skip
def test_files_without_workers_in_the_right_shape(errors: Errors, text: str, error: str) -> None:
    """Empty ones, lists, words."""
    assert errors(text) == [error]


def test_a_file_may_be_wide_if_not_deep(load: Load) -> None:
    """Levels are counted, not lists."""
    assert len(load("workers:\n" + "".join(worker(f"w{number}") for number in range(99))).workers) == 99


def test_no_workers_at_all_is_fine(load: Load) -> None:
    """An empty list is said on purpose."""
    assert load("workers: []").workers == []
