"""`${VAR}` and `${VAR:-default}` in the values of a file; `$${` stands for `${` itself.

Values are replaced after the file was parsed, so no value of a variable can add keys or break the syntax.
"""

import re
from collections.abc import Callable, Mapping

from beeyard.entrypoints.settings.tree import Report, Scalar

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def replace(scalar: Scalar, environ: Mapping[str, str], report: Report) -> Scalar:
    """The scalar with its variables replaced; a reference that can't be replaced is reported and stays."""
    if "${" not in scalar.text:
        return scalar
    scalar.text = _REFERENCE.sub(
        lambda match: _value(match, environ, lambda *words: report.add(scalar, *words)), scalar.text
    )
    return scalar


def _value(match: re.Match[str], environ: Mapping[str, str], problem: Callable[..., None]) -> str:
    whole, inner = match[0], match[1]
    if inner is None:
        return "${"
    if inner.startswith("secret:"):
        problem(whole, "a value, or ${NAME} of the environment", "secrets are not supported yet")
        return whole
    name = _NAME.fullmatch(inner)
    if not name or not whole.endswith("}"):
        problem(whole, "${NAME} or ${NAME:-default}", "write $${ for a literal ${")
        return whole
    text = environ.get(name[1])
    if not text and name[2] is not None:
        return name[2]
    if text is None:
        problem(whole, "a variable that is set", f"set {name[1]}, or write ${{{name[1]}:-default}}")
        return whole
    return text
