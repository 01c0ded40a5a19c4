"""A module's configuration, from what was written to what its author declared. Every error names its field.

A key that nobody asks for is an error as well: it is nearly always a known one, misspelt.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from beeyard.sdk.words import Unfit, nearest


def configured(config: Mapping[str, Any], kind: type[Struct] | None) -> Any:
    """As this type; None: as it was written. Raises Unfit."""
    if kind is None:
        return config
    _all_known(config, kind, "config")
    try:
        return msgspec.convert(config, kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise Unfit(f"config{place.rstrip('`')}: {what[:1].lower()}{what[1:]}") from None


def _all_known(config: object, kind: object, place: str) -> None:
    """As far as a field's type is a Struct and nothing else."""
    if not (isinstance(kind, type) and issubclass(kind, Struct) and isinstance(config, Mapping)):
        return
    known = {field.encode_name: field.type for field in structs.fields(kind)}
    for key, value in config.items():
        if key in known:
            _all_known(value, known[key], f"{place}.{key}")
        elif key != kind.__struct_config__.tag_field:
            raise Unfit(f"{place}: it has no field {key!r}{nearest(key, known)}")
