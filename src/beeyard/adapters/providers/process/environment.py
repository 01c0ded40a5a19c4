"""What a worker finds in its environment beyond the launcher's own: files first, then the section, then its ports.

Values of the section may refer to secrets; what a file holds means what it says.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.adapters.surroundings import port_variable, variables
from beeyard.domain.errors import Problem, Rejected
from beeyard.domain.secrets import Secret, filled, literal, references
from beeyard.domain.spec import WorkerSpec, notifies, watchdog
from beeyard.launcher.kernel import environment


def environment_of(section: ProcessSection, ports: Mapping[str, int], secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Later ones win. Raises Rejected when a file can't be read or has a line that is no assignment."""
    merged: dict[str, str] = {}
    for path in section.env_file:
        merged |= read_env_file(path)
    merged |= {name: filled(value, secrets) for name, value in section.environment.items()}
    return merged | variables(ports)


def notice_of(spec: WorkerSpec, address: str) -> dict[str, str]:
    """Where the worker says how it is and how often it has to (sd_notify(3), sd_watchdog_enabled(3)), if it is to."""
    if not notifies(spec):
        return {}
    period = watchdog(spec)
    return {"NOTIFY_SOCKET": address} | ({} if period is None else {"WATCHDOG_USEC": str(round(period * 1_000_000))})


def secrets_of(section: ProcessSection) -> dict[str, str]:
    """The secrets that the section refers to, each with a variable that does."""
    return {name: variable for variable, value in section.environment.items() for name in references(value)}


def malformed(section: ProcessSection) -> list[Problem]:
    """Values that look like references to secrets and are none."""
    problems = []
    for variable, value in section.environment.items():
        try:
            references(value)
        except ValueError as error:
            problems.append(Problem(f"run.environment.{variable}", "a reference to no secret", str(error)))
    return problems


def as_started(section: ProcessSection, pid: int) -> ProcessSection:
    """The section with those secrets in place that the process was started with, as far as that can be read.

    What runs beside a worker gets the worker's values, not those that came into force after it was started.
    """
    found = environment(pid) if secrets_of(section) else {}
    values = dict(section.environment)
    for variable, value in section.environment.items():
        if references(value) and (seen := found.get(variable.encode())) is not None:
            values[variable] = literal(seen.decode(errors="surrogateescape"))
    return replace(section, environment=values)


def ports_of(pid: int, names: Iterable[str]) -> dict[str, int]:
    """The ports that a process was given for these endpoints, as far as its environment can be read."""
    found = environment(pid)
    values = {name: found.get(port_variable(name).encode(), b"") for name in names}
    return {name: int(value) for name, value in values.items() if value.isdigit()}


def read_env_file(path: str) -> dict[str, str]:
    """`NAME=value` lines; blank lines, `#` comments, `export ` and one pair of quotes around a value are understood."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Rejected("env_file_unreadable", "env_file {path}: {reason}", path=path, reason=reason) from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise Rejected(
                "env_file_malformed",
                "env_file {path}:{line}: no assignment, expected NAME=value",
                path=path,
                line=number,
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
