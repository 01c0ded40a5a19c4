"""`${VAR}` and `${VAR:-default}` in the values of a file; `$${` stands for `${` itself.

Values are replaced after the file was parsed, so no value of a variable can add keys or break the syntax, nor refer to
a secret. `${secret:NAME}` stays what it is: nobody here knows secrets.
"""

import re
from collections.abc import Callable, Mapping

from beeyard.domain.secrets import literal, references
from beeyard.entrypoints.settings.tree import Report, Scalar

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def replace(scalar: Scalar, environ: Mapping[str, str], report: Report) -> Scalar:
    """The scalar with its variables replaced; a reference that can't be replaced is reported and stays."""
    if "${" not in scalar.text:
        return scalar
    written = scalar.written = scalar.text
    scalar.text = ""
    plain, upto = "", 0
    for match in _REFERENCE.finditer(written):
        value = _value(match, environ, lambda *words: report.add(scalar, *words))
        plain += written[upto : match.start()]
        upto = match.end()
        if value is None:
            scalar.secret += literal(plain, before_reference=True) + match[0]
            scalar.text += plain + match[0]
            plain = ""
        else:
            plain += value
    plain += written[upto:]
    scalar.text += plain
    scalar.secret += literal(plain) if scalar.secret else ""
    return scalar


def _value(match: re.Match[str], environ: Mapping[str, str], problem: Callable[..., None]) -> str | None:
    """What a reference stands for; None for one to a secret."""
    whole, inner = match[0], match[1]
    if inner is None:
        return "${"
    if inner.startswith("secret:"):
        try:
            references(whole)
        except ValueError as error:
            problem(whole, str(error), "write $${ for a literal ${")
            return whole
        return None
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
