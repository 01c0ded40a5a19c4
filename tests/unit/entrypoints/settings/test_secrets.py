"""`secrets:` and references to them: kept by name, allowed in one place, and never looked up while loading."""

from pathlib import Path

import pytest

from beeyard.domain.master import SecretSource
from beeyard.domain.secrets import Secret, filled
from tests.unit.entrypoints.settings.conftest import SHELL, Errors, Load, with_keys

SECRETS = "secrets: {db: {file: f}, api-key: {env: API_KEY}}\n"
WHERE = "expected one of {file: PATH}, {env: VARIABLE} and {command: [PROGRAM, ARGUMENT]}"
A_LIST = "expected a list: [PROGRAM, ARGUMENT] (there is no shell to take it apart)"
A_NAME = "expected ${secret:NAME}, NAME being 1 to 64 letters, digits, '_' or '-' (write $${ for a literal ${)"
NOWHERE = (
    "expected a secret nowhere but in an `environment`, a module's `config`, a `password` or a `token` "
    "(everyone on this host can read arguments, and more; let the worker take it from a variable)"
)


def environment(load: Load, value: str, **environ: str) -> str:
    """The value of a variable as the spec has it."""
    text = SECRETS + SHELL.replace("/bin/sh}", "/bin/sh, environment: {A: '" + value + "'}}")
    found = load(text, **environ).workers[0].run["environment"]["A"]
    assert isinstance(found, str)
    return found


def test_each_secret_has_its_source(load: Load, tmp_path: Path) -> None:
    """Paths start at the file's folder; whether there is anything does not matter yet."""
    text = (
        "secrets:\n  a: {file: no/such}\n  b: {env: NO_SUCH}\n  c: {command: [no-such, -x, 1]}\n  d: {command: [./x]}\n"
    )
    assert load(text + SHELL).master.secrets == {
        "a": SecretSource(file=f"{tmp_path}/no/such"),
        "b": SecretSource(env="NO_SUCH"),
        "c": SecretSource(command=("no-such", "-x", "1")),
        "d": SecretSource(command=(f"{tmp_path}/./x",)),
    }


def test_without_the_block_there_are_none(load: Load) -> None:
    """Nor with an empty one."""
    assert load(SHELL).master.secrets == {}
    assert load("secrets:\n" + SHELL).master.secrets == {}


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("db: hunter2", f"secrets.db: found no source, {WHERE} (a secret itself does not belong into a worker file)"),
        ("db: {}", f"secrets.db: found no source, {WHERE}"),
        ("db: {file: x, env: hunter2}", f"secrets.db: found file and env, {WHERE}"),
        ("db: {file: x, value: hunter2}", "secrets.db.value: found 'value', expected a known key (known: command, env, "
         "file)"),
        ("db: {fil: hunter2}", "secrets.db.fil: found 'fil', expected a known key (did you mean 'file'?)"),
        ("db: {env: hunter2!}", "secrets.db.env: found something else, expected the name of a variable in the master's "
         "environment"),
        ("db: {command: echo hunter2}", f"secrets.db.command: found something else, {A_LIST}"),
        ("db: {command: []}", f"secrets.db.command: found something else, {A_LIST}"),
        ("db: {command: ['']}", "secrets.db.command: found no program, expected a list: [PROGRAM, ARGUMENT]"),
        ("a.b: {file: x}", "secrets.a.b: found another name, expected 1 to 64 letters, digits, '_' or '-'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_block_is_told_without_quoting_it(errors: Errors, block: str, error: str) -> None:
    """Somebody may have written a secret there."""
    found = errors(f"secrets:\n  {block}\n" + SHELL)
    assert f"beeyard.yaml:2: {error}" in found
    assert "hunter2" not in "".join(found)


def test_a_block_that_is_no_mapping(errors: Errors) -> None:
    """It is not quoted either."""
    assert errors("secrets: hunter2\n" + SHELL) == [
        "beeyard.yaml:1: secrets: found something else, expected a mapping of names to sources"
    ]


def test_a_reference_stays_one(load: Load) -> None:
    """Alone and inside of a text, beside variables; the list form is the same."""
    assert environment(load, "${secret:db}") == "${secret:db}"
    assert environment(load, "u:${secret:db}@${HOST}/${secret:api-key}", HOST="h") == (
        "u:${secret:db}@h/${secret:api-key}"
    )
    text = SECRETS + SHELL.replace("/bin/sh}", '/bin/sh, environment: ["A=b=${secret:db}", "B=$${secret:db}"]}')
    assert load(text).workers[0].run["environment"] == {"A": "b=${secret:db}", "B": "$${secret:db}"}


@pytest.mark.parametrize(
    ("written", "environ", "text"),
    [
        ("$${secret:db}", {}, "${secret:db}"),
        ("$$${secret:db}", {}, "$${secret:db}"),
        ("$${secret:}", {}, "${secret:}"),
        ("$${HOME} $$", {}, "${HOME} $$"),
        ("${X}", {"X": "${secret:db}"}, "${secret:db}"),
        ("${X:-y}{secret:db}", {"X": "$"}, "${secret:db}"),
        ("${X}${secret:db}", {"X": "$"}, "$hunter2"),
        ("${X}${secret:db}", {"X": "$$"}, "$$hunter2"),
        ("${secret:db}{secret:db}", {}, "hunter2{secret:db}"),
    ],
)
def test_what_a_worker_gets_is_what_was_written(load: Load, written: str, environ: dict[str, str], text: str) -> None:
    """Two dollars stand for one, and no variable can bring a reference with it."""
    assert filled(environment(load, written, **environ), {"db": Secret("hunter2")}) == text


def test_outside_of_an_environment_two_dollars_stand_for_one_as_ever(load: Load) -> None:
    """The text itself, as with variables."""
    text = SECRETS + SHELL.replace("/bin/sh}", '/bin/sh, args: ["$${secret:db}"]}')
    assert load(text).workers[0].run["args"] == ["${secret:db}"]


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ("execution: {executable_path: /bin/sh, args: [-c, '${secret:db}']}", "execution.args[1]"),
        ("execution: {executable_path: '${secret:db}'}", "execution.executable_path"),
        ("execution: {executable_path: /bin/sh, env_file: ['${secret:db}']}", "execution.env_file[0]"),
        ("execution: {executable_path: /bin/sh, working_directory: '${secret:db}'}", "execution.working_directory"),
        ("execution: {executable_path: /bin/sh, user: '${secret:db}'}", "execution.user"),
        ("execution: {executable_path: /bin/sh, nice: '${secret:db}'}", "execution.nice"),
        ("execution: {executable_path: /bin/sh, stop: {signal: '${secret:db}'}}", "execution.stop.signal"),
        ("probes: {liveness: {exec: [echo, '${secret:db}']}}", "probes.liveness.exec[1]"),
        ("probes: {liveness: {exec: 'echo ${secret:db}'}}", "probes.liveness.exec"),
        ("probes: {liveness: {http: 'http://h/${secret:db}'}}", "probes.liveness.http"),
        ("probes: {liveness: {http: 'http://h/', headers: {A: '${secret:db}'}}}", "probes.liveness.headers.A"),
        ("endpoints: {http: {port: '${secret:db}'}}", "endpoints.http.port"),
        ("endpoints: {http: {protocol: '${secret:db}'}}", "endpoints.http.protocol"),
        ("id: '${secret:db}'", "id"),
        ("enabled: '${secret:db}'", "enabled"),
        ("depends_on: ['${secret:db}']", "depends_on[0]"),
        ("restart_policy: '${secret:db}'", "restart_policy"),
        ("restart_policy: {delay: '${secret:db}'}", "restart_policy.delay"),
    ],
)
def test_anywhere_else_a_secret_is_refused(errors: Errors, keys: str, at: str) -> None:
    """With the reason, and what to do."""
    text = SECRETS + "workers:\n- id: web\n  execution: {executable_path: /bin/sh}\n"
    if keys.startswith("execution"):
        text = text.replace("execution: {executable_path: /bin/sh}", keys)
    elif keys.startswith("id"):
        text = text.replace("id: web", keys)
    else:
        text += f"  {keys}\n"
    found = errors(text)
    assert any(f": workers[0].{at}: found " in problem and problem.endswith(NOWHERE) for problem in found), found


def test_neither_the_master_nor_another_secret_takes_one(errors: Errors) -> None:
    """They are read before there are any."""
    found = errors("master: {name: '${secret:db}'}\nsecrets: {db: {file: '/${secret:db}'}}\n" + SHELL)
    assert found == [
        f"beeyard.yaml:1: master.name: found '${{secret:db}}', {NOWHERE}",
        f"beeyard.yaml:2: secrets.db.file: found '/${{secret:db}}', {NOWHERE}",
    ]


def test_the_name_of_a_variable_is_no_place(errors: Errors) -> None:
    """Who lists the environment of a process would see it."""
    found = errors(SECRETS + SHELL.replace("/bin/sh}", '/bin/sh, environment: ["${secret:db}=x"]}'))
    assert found == [
        "beeyard.yaml:4: workers[0].execution.environment[0]: found the name '${secret:db}', expected the name of an "
        "environment variable"
    ]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (
            "${secret:api_key}",
            "found the secret 'api_key', expected one that `secrets:` names (did you mean 'api-key'?)",
        ),
        ("${secret:other}", "found the secret 'other', expected one that `secrets:` names (known: api-key, db)"),
        ("${secret:}", f"found ${{secret:}}, {A_NAME}"),
        ("${secret:a b}", f"found ${{secret:a b}}, {A_NAME}"),
        ("${secret:db", f"found ${{secret:db, {A_NAME}"),
    ],
)
def test_a_name_that_there_is_not(errors: Errors, value: str, error: str) -> None:
    """With the nearest that there is."""
    text = SECRETS + SHELL.replace("/bin/sh}", "/bin/sh, environment: {A: '" + value + "'}}")
    assert errors(text) == [f"beeyard.yaml:4: workers[0].execution.environment.A: {error}"]


def test_all_workers_may_refer_to_them_by_the_defaults(load: Load, errors: Errors) -> None:
    """And a mistake there is told once."""
    defaults = "defaults: {execution: {environment: {A: '${secret:db}'}}}\n"
    text = SECRETS + defaults + SHELL + "- id: two\n  execution: {executable_path: /bin/sh}\n"
    assert [spec.run["environment"] for spec in load(text).workers] == [{"A": "${secret:db}"}] * 2
    assert len(errors(text.replace("secret:db", "secret:dp"))) == 1


def test_an_overlay_replaces_the_source_of_a_secret(load: Load, tmp_path: Path) -> None:
    """One name, one source; the others stay."""
    (tmp_path / "beeyard-staging.yaml").write_text("secrets: {db: {env: DB}}\n")
    assert load(SECRETS + with_keys(""), BEEYARD_ENVIRONMENT="staging").master.secrets == {
        "db": SecretSource(env="DB"),
        "api-key": SecretSource(env="API_KEY"),
    }


def test_toml_has_them_too(load: Load) -> None:
    """In its own spelling."""
    text = (
        '[secrets.db]\nenv = "DB"\n[[workers]]\nid = "web"\n[workers.execution]\nexecutable_path = "/bin/sh"\n'
        'environment = {A = "${secret:db}"}\n'
    )
    loaded = load(text, "beeyard.toml")
    assert loaded.master.secrets == {"db": SecretSource(env="DB")}
    assert loaded.workers[0].run["environment"] == {"A": "${secret:db}"}
