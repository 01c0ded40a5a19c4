"""What a worker finds in its environment of the package that it runs from, whatever provider runs it."""

from collections.abc import Mapping

from beeyard.adapters.surroundings import packages
from beeyard.domain.packages import ProcessEntry
from beeyard.domain.secrets import literal


def surrounded(
    own: Mapping[str, str], entry: ProcessEntry | None, folder: str, needs: Mapping[str, str]
) -> dict[str, str]:
    """What its package says comes first, then what the worker itself says, then where the packages lie: as texts in
    which `${secret:NAME}` means a secret."""
    said = (one.partition("=") for one in (entry.env if entry is not None else ()))
    places = packages(folder, needs).items()
    return {
        **{name: _value(name, value, folder) for name, _, value in said},
        **own,
        **{variable: literal(path) for variable, path in places},
    }


def _value(name: str, value: str, folder: str) -> str:
    """What PATH names is looked for within the package first."""
    if name == "PATH":
        inside = [f"{folder}{one}" for one in value.split(":") if one.startswith("/")]
        value = ":".join([*inside, value])
    return literal(value)
