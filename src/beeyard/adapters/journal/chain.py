"""The lines of a journal and the chain they form. Knows bytes and hashes; of files, threads and clocks nothing.

A line is one JSON object whose last two keys are `prev` and `hash`. `hash` is the SHA-256 of the same bytes without it,
`prev` the hash of the line before. So a shell can check a chain that comes in on standard input:

    prev=$(printf %064d 0)
    while IFS= read -r line; do
        body="${line%,\\"hash\\":*}}"
        hash=$(printf %s "$body" | sha256sum | cut -c 1-64)
        case $body in *",\\"prev\\":\\"$prev\\"}") ;; *) echo "another line stood before $line" ;; esac
        case $line in *",\\"hash\\":\\"$hash\\"}") ;; *) echo "changed: $line" ;; esac
        prev=$hash
    done

Hashes are taken over the bytes as they stand, so entries with fields that only a newer Beeyard knows can be checked.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from beeyard.domain.errors import Invalid
from beeyard.ports.journal import START, Entry, Head, Record, Verdict

LINE_LIMIT = 16 * 1024**2
"""Bytes of a record: longer ones are not taken, so no reader needs more memory than that for a line."""

_TAIL = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_TAIL_LENGTH = 75
_TOLD = 8  # problems


class Unreadable(Exception):
    """A line is no entry; the text says why."""


class _Link(Struct):
    seq: Annotated[int, Meta(ge=1, le=2**53)]  # what any reader of JSON can count to
    prev: str


_links = msgspec.json.Decoder(_Link)
_records = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record as JSON that can surely be read again; TypeError or msgspec's errors when it can't be written so."""
    try:
        encoded = msgspec.json.encode(record)
    except UnicodeEncodeError:  # bytes of a path or an argument that are no UTF-8, as Python carries them
        encoded = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(record)))
    if len(encoded) > LINE_LIMIT:
        raise Invalid(
            "journal_entry_large",
            "{what} can't be written down: it is {size} bytes long, and the journal takes {limit}",
            what=record.what,
            size=len(encoded),
            limit=LINE_LIMIT,
        )
    _records.decode(encoded)
    return encoded


def seal(encoded: bytes, before: Head) -> tuple[bytes, Head]:
    """The whole line, newline included, of a record that comes after `before`; and the head that it is."""
    seq = before.seq + 1
    body = b'{"seq":%d,%b,"prev":"%b"}' % (seq, encoded[1:-1], before.hash.encode())
    hash = sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], hash.encode()), Head(seq, hash)


def parse(line: bytes) -> Entry:
    """The entry in a line without its newline; whether its hash is right is not looked at."""
    hash = stated(line)
    if hash is None:
        raise Unreadable("it does not end in a hash")
    body = _body(line)
    try:
        link = _links.decode(body)
        return Entry(seq=link.seq, record=_records.decode(body), prev=link.prev, hash=hash)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def stated(line: bytes) -> str | None:
    """The hash that a line says it has."""
    tail = _TAIL.fullmatch(line, max(0, len(line) - _TAIL_LENGTH))
    return tail[1].decode() if tail else None


def computed(line: bytes) -> str:
    """The hash that a line ought to have, by what stands in it."""
    return sha256(_body(line) if stated(line) else line).hexdigest()


class Check:
    """Takes lines, the oldest first, and keeps what is wrong with them.

    After a line that is wrong it goes on as if it had been right, as far as its content allows: one change makes one
    problem, and what is changed later is found in spite of it.
    """

    def __init__(self, *known: Head) -> None:
        self._known = dict.fromkeys(head for head in known if head != START)
        self._head = START
        self._prev: set[str] | None = {START.hash}  # None: nobody can say
        self._entries = 0
        self._problems: list[str] = []
        self._untold = 0

    def problem(self, text: str) -> None:
        """Keep it, if there is room, or count it."""
        if len(self._problems) < _TOLD:
            self._problems.append(text)
        else:
            self._untold += 1

    def line(self, where: str, line: bytes, *, whole: bool = True) -> None:
        """Look at the next line, which stands there. `whole`: a newline came after it."""
        self._entries += 1
        due = self._head.seq + 1
        hash, right = stated(line), computed(line)
        try:
            entry = parse(line)
        except Unreadable as error:
            self.problem(f"{where}: entry {due} can't be read: {error}")
            self._head, self._prev = Head(due, hash or right), None
            return
        faults = [] if whole else ["no newline ends it"]
        if entry.hash != right:
            faults.append(f"its hash is {entry.hash}, but what stands in it has {right}")
        if entry.seq != due:
            faults.append(f"entry {due} was expected here")
        if self._prev is not None and entry.prev not in self._prev:
            faults.append(f"the hash before it is {self._head.hash}, but it was {entry.prev} when this was written")
        faults += [
            f"it was seen before with the hash {head.hash}, now it has {entry.hash}"
            for head in self._known
            if head.seq == entry.seq and head.hash != entry.hash
        ]
        if faults:
            self.problem(f"{where}: entry {entry.seq}: {'; '.join(faults)}")
        self._head = Head(due if entry.hash != right else entry.seq, entry.hash)
        self._prev = {entry.hash, right}

    def verdict(self) -> Verdict:
        """What is to be said when no line is left."""
        if missing := [head.seq for head in self._known if head.seq > self._head.seq]:
            self.problem(f"the end is missing: entry {max(missing)} was seen before, the last one is {self._head.seq}")
        more = [f"and {self._untold} more"] if self._untold else []
        return Verdict(self._entries, self._head, "\n".join(self._problems + more))


def check_lines(lines: Iterable[bytes], *known: Head, name: str = "line") -> Verdict:
    """Look at lines, with or without their newlines, from the first entry on; `name` says what they stand in."""
    check = Check(*known)
    for number, line in enumerate(lines, 1):
        check.line(f"{name}:{number}", line.removesuffix(b"\n"))
    return check.verdict()


def _body(line: bytes) -> bytes:
    return line[:-_TAIL_LENGTH] + b"}"


def _without_surrogates(value: Any) -> Any:
    """The same with `\\udcff` spelled out wherever a text has such a thing."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(kept) for key, kept in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(kept) for kept in value]
    return value
