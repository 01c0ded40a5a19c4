"""What a worker finds in its environment beyond the launcher's own: files first, then the section, then its ports."""

from collections.abc import Mapping

from beeyard.adapters.providers.process.section import ProcessSection
from beeyard.domain.errors import Rejected


def environment_of(section: ProcessSection, ports: Mapping[str, int]) -> dict[str, str]:
    """Later ones win. Raises Rejected when a file can't be read or has a line that is no assignment."""
    environment: dict[str, str] = {}
    for path in section.env_file:
        environment |= read_env_file(path)
    environment |= section.environment
    for name, port in ports.items():
        environment[f"BEEYARD_PORT_{name.upper().replace('-', '_')}"] = str(port)
    return environment


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
