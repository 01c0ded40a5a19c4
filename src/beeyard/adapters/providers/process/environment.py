"""What the worker file puts into a worker's environment: files first, then the section.

Values of the section may refer to secrets; what a file holds means what it says.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from beeyard.adapters.execution import read_env_file
from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.adapters.surroundings import port_variable
from beeyard.domain.errors import Problem
from beeyard.domain.secrets import Secret, filled, literal, references
from beeyard.launcher.kernel import environment


def environment_of(section: ProcessSection, secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Later ones win. Raises Rejected when a file can't be read or has a line that is no assignment."""
    merged: dict[str, str] = {}
    for path in section.env_file:
        merged |= read_env_file(path)
    return merged | {name: filled(value, secrets) for name, value in section.environment.items()}


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
