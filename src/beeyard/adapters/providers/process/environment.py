"""What a worker finds in its environment beyond the launcher's own: files first, then the section, then its ports."""

from collections.abc import Iterable, Mapping

from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Rejected
from beeyard.launcher.kernel import environment


def environment_of(section: ProcessSection, ports: Mapping[str, int]) -> dict[str, str]:
    """Later ones win. Raises Rejected when a file can't be read or has a line that is no assignment."""
    merged: dict[str, str] = {}
    for path in section.env_file:
        merged |= read_env_file(path)
    merged |= section.environment
    return merged | {_variable(name): str(port) for name, port in ports.items()}


def ports_of(pid: int, names: Iterable[str]) -> dict[str, int]:
    """The ports that a process was given for these endpoints, as far as its environment can be read."""
    found = environment(pid)
    values = {name: found.get(_variable(name).encode(), b"") for name in names}
    return {name: int(value) for name, value in values.items() if value.isdigit()}


def _variable(endpoint: str) -> str:
    return f"BEEYARD_PORT_{endpoint.upper().replace('-', '_')}"


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
                "env_file {path}:{line}: found {text!r}, expected NAME=value",
                path=path,
                line=number,
                text=text,
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
