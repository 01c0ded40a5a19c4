"""Values and keys that are not what the file's blocks expect: one whole error each."""

import pytest

from tests.unit.entrypoints.settings.conftest import Errors, One


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("arg: 1", "workers[0].arg: found 'arg', expected a known key (known: "),
        ("instance: 1", "workers[0].instance: found 'instance', expected a known key (did you mean 'instances'?)"),
        ("enabled: yes", "workers[0].enabled: found 'yes', expected true or false"),
        ("instances: 0", "workers[0].instances: found 0, expected a whole number from 1 to 1000"),
        ("instances: 1.5", "workers[0].instances: found 1.5, expected a whole number"),
        ("instances: [1]", "workers[0].instances: found a list, expected a whole number"),
        (f"instances: {'9' * 5000}", "workers[0].instances: found 9999"),
        ("profile_type: wbe", "workers[0].profile_type: found 'wbe', expected batch, web, database, worker, scheduler "
         "or "
         "default (did you mean 'web'?)"),
        ("logs: x", "workers[0].logs: found 'x', expected a mapping"),
        ("logs: {max_size: 5}", "workers[0].logs.max_size: found 5, expected a size of at least 4KB"),
        ("logs: {max_size: 5XB}", "workers[0].logs.max_size: found '5XB', expected a size such as 64KB, 512MB or 1GB"),
        (f"logs: {{max_size: {'9' * 400}GB}}", "workers[0].logs.max_size: found '999"),
        ("logs: {max_size: 9999999999TB}", "workers[0].logs.max_size: found '9999999999TB', expected a size below "
         "1048576TB"),
        ("logs: {max_age: 7d}", "workers[0].logs.max_age: found 'max_age', not supported by this version yet, "
         "expected no "
         "such key (needs log files that expire: remove it)"),
        ("restart_policy: {delay: 5}", "workers[0].restart_policy.delay: found 5, expected a duration such as 250ms, "
         "30s, "
         "5m, 1h or 1h30m"),
        ("restart_policy: {delay: 99999d}", "workers[0].restart_policy.delay: found '99999d', expected a duration of "
         "at "
         "most ten years"),
        ("restart_policy: {jitter: nan}", "workers[0].restart_policy.jitter: found 'nan', expected a number"),
        ("restart_policy: {jitter: 2}", "workers[0].restart_policy.jitter: found 2, expected a number from 0 to 1"),
        ("restart_policy: {max_retries: lots}", "workers[0].restart_policy.max_retries: found 'lots', expected 0 to "
         "1000, "
         "or `unlimited`"),
        ("restart_policy: on-failur", "workers[0].restart_policy: found 'on-failur', expected never, on-failure, "
         "always or "
         "unless-stopped (did you mean 'on-failure'?)"),
        ("endpoints: {a b: {port: 1}}", "workers[0].endpoints.a b: found 'a b', expected 1 to 64 letters, digits, '_' "
         "or '-'"),
        ("endpoints: {a: {port: 65536}}", "workers[0].endpoints.a.port: found 65536, expected a port from 0 to 65535, "
         "or `auto`"),
        ("endpoints: {a: }", "workers[0].endpoints.a: found nothing, expected a mapping"),
        ("exit_on: failur", "workers[0].exit_on: found 'failur', expected never or failure (did you mean 'failure'?)"),
        ("schedule: '* * * * *'", "workers[0].schedule: found '* * * * *', not supported by this version yet, expected "
         "another value (needs schedules: remove it)"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_with_what_was_expected(wrong: Errors, keys: str, error: str) -> None:
    """Line, path, found, expected, hint."""
    (only,) = wrong(keys)
    assert only.startswith(f"beeyard.yaml:4: {error}")
    assert only == f"beeyard.yaml:4: {error}" or error.endswith(("99", "known: "))


def test_all_problems_come_at_once_in_the_order_of_the_lines(errors: Errors) -> None:
    """Unset variables, unknown keys, wrong values and missing ones."""
    assert errors(
        "workers:\n"
        "- id: a b\n"
        "  execution: {args: [true]}\n"
        "  enabled: ${X}\n"
        "- execution: {executable_path: /bin/sh}\n"
        "master: {nam: x, log_level: 1}\n"
        "fleet: 1\n"
    ) == [
        "beeyard.yaml:2: workers[0].id: found 'a b', expected 1 to 64 letters, digits, '_' or '-'",
        "beeyard.yaml:3: workers[0].execution.executable_path: found nothing, expected a value: it has no default",
        'beeyard.yaml:3: workers[0].execution.args[0]: found true, expected text (quote it: "true")',
        "beeyard.yaml:4: workers[0].enabled: found ${X}, expected a variable that is set (set X, or write "
        "${X:-default})",
        "beeyard.yaml:4: workers[0].enabled: found '${X}', expected true or false",
        "beeyard.yaml:5: workers[1].id: found nothing, expected a name: 1 to 64 letters, digits, '_' or '-'",
        "beeyard.yaml:6: master.log_level: found 1, expected debug, info, warn or error",
        "beeyard.yaml:6: master.nam: found 'nam', expected a known key (did you mean 'name'?)",
        "beeyard.yaml:7: fleet: found 'fleet', expected a known key (known: defaults, global, master, "
        "package_manager, secrets, workers)",
    ]


def test_a_key_without_value_takes_its_default(one: One) -> None:
    """As if it had not been written."""
    assert one("enabled:\nlogs:\nprobes:\nrestart_policy:\nschedule: ''\ninstances: ~") == one()
