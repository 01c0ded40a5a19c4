"""The process provider's section, looked up on this host, and the steps of a stop."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from beeyard.domain.spec import StopStep
from beeyard.domain.values import Duration, SignalNumber
from tests.unit.entrypoints.settings.conftest import Errors, Load


def section(keys: str) -> str:
    """A file whose one worker has these keys in its section, from line 4 on."""
    return "workers:\n- id: a\n  execution:\n" + "".join(f"    {line}\n" for line in keys.splitlines())


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """An executable beside the worker file."""
    path = tmp_path / "bin" / "tool"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return path


def test_a_program_with_a_slash_is_relative_to_the_file(load: Load, script: Path) -> None:
    """Wherever Beeyard was started."""
    assert load(section("executable_path: bin/../bin/tool")).workers[0].run["executable_path"] == str(script)


def test_a_bare_name_is_looked_up_in_the_workers_path(load: Load, script: Path) -> None:
    """Its own PATH comes first, in both forms of `environment`; relative folders start at the file's."""
    assert load(section("executable_path: tool"), PATH=str(script.parent)).workers[0].run["executable_path"] == str(
        script
    )
    for environment in (f"{{PATH: '{script.parent}'}}", f"['PATH={script.parent}']", "{PATH: bin}"):
        run = load(section(f"executable_path: tool\nenvironment: {environment}")).workers[0].run
        assert run["executable_path"] == str(script)


def test_everything_a_section_can_say(load: Load, tmp_path: Path) -> None:
    """In plain values, as the provider reads them."""
    (tmp_path / ".env").write_text("", "utf-8")
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    run = load(
        section(
            "executable_path: /bin/sh\n"
            "args: [-c, 8080, 1.10]\n"
            "environment: {PORT: 8080, EMPTY: ''}\n"
            "env_file: .env\n"
            f"working_directory: /\nuser: {user}\ngroup: {os.getgid()}\n"
            "umask: 027\nnice: 5\npid_file: a.pid\n"
            "rlimits: {nofile: 10, core: unlimited, nproc: [1, unlimited]}\n"
        )
    )
    assert run.workers[0].run == {
        "executable_path": "/bin/sh",
        "args": ["-c", "8080", "1.10"],
        "environment": {"PORT": "8080", "EMPTY": ""},
        "env_file": [str(tmp_path / ".env")],
        "working_directory": "/",
        "user": user,
        "group": group,
        "umask": 0o27,
        "nice": 5,
        "rlimits": {"nofile": [10, 10], "core": [-1, -1], "nproc": [1, -1]},
        "pid_file": str(tmp_path / "a.pid"),
    }


def test_a_written_default_makes_no_other_spec(load: Load) -> None:
    """Or a reload would restart the worker."""
    bare = load(section("executable_path: /bin/sh"))
    assert load(section("executable_path: /bin/sh\nnice: 0\nargs: []\nenvironment: {}\nuser:")) == bare


def test_environment_may_be_a_list(load: Load) -> None:
    """As older files have it."""
    run = load(section("executable_path: /bin/sh\nenvironment: [A=b=c, D=]")).workers[0].run
    assert run["environment"] == {"A": "b=c", "D": ""}


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("executable_path: bin/no", "executable_path: found 'bin/no', no such file, expected an executable file "
         "({tmp}/bin/no)"),
        ("executable_path: /bin", "executable_path: found '/bin', a directory, expected an executable file"),
        ("executable_path: ./plain", "executable_path: found './plain', a file that is not executable, expected an "
         "executable "
         "file ({tmp}/plain)"),
        ("executable_path: nosuchtool", "executable_path: found 'nosuchtool', not in any folder of PATH, expected an "
         "executable "
         "file (/usr/bin:/bin)"),
        ("executable_path: ''", "executable_path: found '', not in any folder of PATH, expected an executable file "
         "(/usr/bin:/bin)"),
        ("executable_path: \"/bin/s\\0h\"", "executable_path: found text with a NUL byte or broken Unicode, expected "
         "text"),
        ("env_file: [.no]", "env_file[0]: found '.no', no such file, expected an existing file ({tmp}/.no)"),
        ("env_file: [/]", "env_file[0]: found '/', not a file, expected an existing file"),
        ("working_directory: /no/such", "working_directory: found '/no/such', no such folder, expected an existing "
         "folder"),
        ("working_directory: plain", "working_directory: found 'plain', not a folder, expected an existing folder "
         "({tmp}/plain)"),
        ("user: nobody-here", "user: found 'nobody-here', expected a user of this host"),
        ("group: 4294967294999", "group: found 4294967294999, expected a group of this host"),
        ("umask: '888'", "umask: found '888', expected an octal mask such as \"027\""),
        ("nice: 20", "nice: found 20, expected a whole number from -20 to 19"),
        ("rlimits: {nofle: 1}", "rlimits.nofle: found 'nofle', expected one of as, "),
        ("rlimits: {nofile: -1}", "rlimits.nofile: found -1, expected a whole number, `unlimited`, or [soft, hard]"),
        ("rlimits: {nofile: [2, 1]}", "rlimits.nofile: found a soft limit above the hard one, expected [soft, hard]"),
        ("rlimits: {nofile: [unlimited, 1]}", "rlimits.nofile: found a soft limit above the hard one, expected [soft, "
         "hard]"),
        ("rlimits: {nofile: [1]}", "rlimits.nofile: found a list of 1, expected [soft, hard]"),
        ("environment: {A: true}", "environment.A: found true, expected text (quote it: \"true\")"),
        ("environment: {A: }", "environment.A: found nothing, expected text (or \"\" for none)"),
        ("environment: {A=B: c}", "environment.A=B: found the name 'A=B', expected the name of an environment "
         "variable"),
        ("environment: [A]", "environment[0]: found 'A', expected NAME=value"),
        ("environment: A=b", "environment: found 'A=b', expected a mapping or a list of NAME=value"),
        ("argz: []", "argz: found 'argz', expected a known key (did you mean 'args'?)"),
        ("stop: {signal: SIGFOO}", "stop.signal: found 'SIGFOO', expected a signal such as SIGTERM, HUP or 15"),
        ("stop: []", "stop: found an empty list, expected steps of {signal, wait}"),
        ("stop: [{signal: INT}]", "stop[0].wait: found nothing, expected a value: it has no default"),
    ],
)  # fmt: skip
def test_what_a_section_can_not_say(errors: Errors, tmp_path: Path, keys: str, error: str) -> None:
    """Found while loading, not at the start of the worker."""
    (tmp_path / "plain").write_text("", "utf-8")
    first = "" if keys.startswith("executable_path") else "executable_path: /bin/sh\n"
    found = errors(section(first + keys))
    expected = f"beeyard.yaml:{5 if first else 4}: workers[0].execution.{error}".replace("{tmp}", str(tmp_path))
    assert found == [expected] or (error.endswith(", ") and found[0].startswith(expected))


@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        ("", [(15, 20)]),
        ("stop: {timeout: 5s}", [(15, 5)]),
        ("stop: {signal: HUP}\ngraceful_timeout: 7s\nwait_delay: 7000ms", [(1, 7)]),
        ("graceful_timeout: 3s", [(15, 3)]),
        ("wait_delay: 3s\nstop: {signal: 2, timeout: 3s}", [(2, 3)]),
        ("stop: [{signal: SIGINT, wait: 5s}, {signal: TERM, wait: 1s}]", [(2, 5), (15, 1)]),
    ],
)
def test_a_stop_is_a_row_of_steps(load: Load, keys: str, steps: list[tuple[int, int]]) -> None:
    """One by default; older names of its timeout agree with it."""
    found = load(section(f"executable_path: /bin/sh\n{keys}")).workers[0].stop
    assert found == tuple(StopStep(SignalNumber(number), Duration(wait)) for number, wait in steps)


def test_two_timeouts_must_agree(errors: Errors) -> None:
    """And there is none beside steps."""
    assert errors(section("executable_path: /bin/sh\nstop: {timeout: 3s}\nwait_delay: 4s")) == [
        "beeyard.yaml:6: workers[0].execution.wait_delay: found '4s', expected '3s', as line 5 says for the same thing"
    ]
    assert errors(section("executable_path: /bin/sh\nstop: [{signal: INT, wait: 3s}]\nwait_delay: 3s")) == [
        "beeyard.yaml:6: workers[0].execution.wait_delay: found '3s', expected no such key beside the steps of `stop` "
        "on line 5"
    ]
