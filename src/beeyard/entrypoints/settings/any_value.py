"""Values of which this format does not say what they are, as plain ones: what a module is configured with.

Texts are as specs write them, and may refer to secrets. A number is what YAML and TOML take it for.
"""

from math import isfinite
from typing import Any

from beeyard.domain.secrets import literal
from beeyard.entrypoints.settings.tree import Mapping, Node, Scalar, Sequence, below
from beeyard.entrypoints.settings.words import FAILED, Context, known_secrets, text


def any_mapping(node: Node, context: Context) -> dict[str, Any]:
    """A mapping of any depth; empty if it is none, which is reported."""
    if not isinstance(node, Mapping):
        context.report.wrong(node, "a mapping")
        return {}
    plain: dict[str, Any] = _value(node, context)
    return plain


def _value(node: Node, context: Context) -> Any:
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            if "${secret:" in key:
                context.report.wrong(Scalar(entry.file, entry.line, below(node.path, key), key), "a key, no secret")
        return {key: _value(entry, context) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [_value(item, context) for item in node.items]
    assert isinstance(node, Scalar)
    if node.secret:
        known_secrets(node, context)
        return node.secret
    if node.kind != "text":
        return _scalar(node, context)
    return "" if text(node, context) is FAILED else literal(node.text)


def _scalar(node: Scalar, context: Context) -> Any:
    if node.kind == "null":
        return None
    if node.kind == "bool":
        return node.text.lower() == "true"
    try:
        number: Any = int(node.text, 0 if node.text[:2] in ("0o", "0x", "0b") else 10)
    except ValueError:
        try:
            number = float(node.text)
        except ValueError:
            return literal(node.text)  # A date, which TOML writes without quotes.
    if -(2**63) <= number < 2**64 if isinstance(number, int) else isfinite(number):
        return number
    context.report.wrong(node, "a smaller number", "quote it to have it as text")
    return 0
