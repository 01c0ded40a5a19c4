"""`beeyard audit verify --file` and `audit export`: the journal as a file, checked without its master, or written."""

import os
import sys

from beeyard.application.operations.audit_export import AuditExport
from beeyard.domain.errors import NotFound, Unavailable
from beeyard.entrypoints.cli.ledger import check_verified, verified
from beeyard.entrypoints.cli.target import Target
from beeyard.entrypoints.http.client import Client
from beeyard.ports.journal import START, Head


def verify(target: Target, file: str, known: str | None, as_json: bool) -> None:
    """Check an export's lines, from the first entry on. Raises Untrusted, and NotFound for a file that is not there."""
    from beeyard.adapters.journal.chain import check_lines
    from beeyard.application.operations import OPERATIONS
    from beeyard.entrypoints.cli.asking import requested, show_json

    request = requested(OPERATIONS["audit_verify"], {"known": known})
    number, _, digest = (known or "").partition(":")
    try:
        with open(0 if file == "-" else file, "rb", closefd=file != "-") as lines:
            verdict = check_lines(lines, Head(int(number), digest) if digest else START, name=file)
    except OSError as error:
        raise NotFound("no_such_file", "{file} can't be read: {reason}", file=file, reason=error.strerror) from None
    if as_json:
        import msgspec

        show_json(msgspec.json.encode(verdict))
        check_verified(target, request, verdict)
    else:
        verified(target, request, verdict)


def export(client: Client, output: str | None) -> None:
    """Every entry byte for byte. A file is there when it is whole, and else as it was before.

    Raises:
        Unavailable: the file can't be written; or the master's own error.
    """
    lines = client.lines(AuditExport())
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    part = f"{output}.part"
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, output)
    except OSError as error:
        text = "{file} can't be written: {reason}"
        raise Unavailable("output_unwritable", text, file=output, reason=error.strerror) from None
