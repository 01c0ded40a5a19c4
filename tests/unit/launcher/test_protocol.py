"""Messages survive any cutting of the stream, and whoever does not speak the protocol is told apart."""

import json
import struct
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beeyard.launcher.protocol import LIMIT, BrokenPeer, Unpacker, pack

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
fields = texts.filter(lambda name: name != "id")  # That one has to be a number.
messages = st.lists(st.dictionaries(fields, values, max_size=4), max_size=6)


@given(messages, st.lists(st.integers(0, 400), max_size=12))
def test_however_the_stream_is_cut_the_messages_are_the_same(sent: list[dict[str, Any]], cuts: list[int]) -> None:
    """Whole, in order, none twice."""
    stream = b"".join(map(pack, sent))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    unpacker = Unpacker()
    taken = [message for start, end in pairwise(edges) for message in unpacker.feed(stream[start:end])]
    assert taken == sent


def test_bytes_one_by_one_make_a_message_at_the_last() -> None:
    """Not before it is whole."""
    unpacker = Unpacker()
    stream = pack({"type": "hello", "version": 1})
    assert [unpacker.feed(bytes([byte])) for byte in stream[:-1]] == [[]] * (len(stream) - 1)
    assert unpacker.feed(stream[-1:]) == [{"type": "hello", "version": 1}]


def test_names_that_are_not_utf_8_pass_as_they_are() -> None:
    """A file name is bytes."""
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert Unpacker().feed(pack({"name": name})) == [{"name": name}]


def test_the_wire_form_is_what_both_sides_have_agreed_on() -> None:
    """Four bytes of length, big-endian, then JSON."""
    assert pack({"type": "kill", "id": 7}) == b'\x00\x00\x00\x16{"type":"kill","id":7}'


def frame(body: bytes) -> bytes:
    """Something behind its length."""
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (struct.pack(">I", LIMIT + 1), f"a message of {LIMIT + 1} bytes"),
        (b"GET / HTTP/1.1\r\n", "a message of 1195725856 bytes"),
        (frame(b"{"), "Expecting property name"),
        (frame(b""), "Expecting value"),
        (frame(b"[1]"), "a message that is no object"),
        (frame(b"null"), "a message that is no object"),
        (frame(b"[" * 100_000), "recursion"),
        (frame(json.dumps({"a": 1}).encode() + b"x"), "Extra data"),
        (frame(b'{"id": ' + b"9" * 5000 + b"}"), "integer string conversion"),
        (frame(b'{"id": ' + b"[" * 500 + b"]" * 500 + b"}"), "a message whose id is no number"),
    ],
    ids=["too-long", "http", "cut-json", "empty", "list", "null", "deep", "rest", "huge", "deep-id"],
)
def test_what_is_not_this_protocol_is_a_broken_peer(stream: bytes, text: str) -> None:
    """Nothing else may come out of it: it would end the launcher."""
    with pytest.raises(BrokenPeer, match=text):
        Unpacker().feed(stream)


def test_text_that_is_none_is_repeated_without_harm() -> None:
    """Whoever answers a message says what it could not read in it."""
    (message,) = Unpacker().feed(frame(b'{"type": "\\ud800"}'))
    assert Unpacker().feed(pack({"error": "unknown", "text": message["type"]})) == [{"error": "unknown", "text": "?"}]


pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"id"', b'"type"', b":", b",", b'"\\ud800"', b"1e999", b"NaN", b"\xff", b"-0"]
)
noises = st.lists(st.lists(pieces | st.binary(max_size=5), max_size=12).map(b"".join).map(frame), max_size=4).map(
    b"".join
)


@given(st.binary(max_size=200) | noises)
@example(frame(b'{"id":"\\ud800"}'))
def test_noise_is_either_waited_for_or_a_broken_peer(noise: bytes) -> None:
    """Never another error."""
    unpacker = Unpacker()
    with suppress(BrokenPeer):
        for message in unpacker.feed(noise):
            assert pack(message)
