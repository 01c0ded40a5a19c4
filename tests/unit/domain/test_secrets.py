"""A secret shows itself to nobody who does not ask for it by name, and a reference means what was written."""

import copy
import json
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beeyard.domain.secrets import Secret, filled, literal, references, secret_name

SECRET = Secret("hunter2")


PRINTED: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "ascii": lambda: ascii(SECRET),
    "f-string": lambda: f"{SECRET}",
    "f-string with a conversion": lambda: f"{SECRET!r}",
    "f-string with a format": lambda: f"{SECRET:>20}",
    "format": lambda: format(SECRET, "x"),
    "str.format": lambda: "{}".format(SECRET),  # noqa: UP032
    "%s": lambda: "%s" % SECRET,  # noqa: UP031
    "%r": lambda: "%r" % SECRET,  # noqa: UP031
    "msgspec with a hook": lambda: msgspec.json.decode(msgspec.json.encode(SECRET, enc_hook=str)),
    "json with a default": lambda: json.loads(json.dumps(SECRET, default=str)),
}
REFUSED: dict[str, Callable[[], object]] = {
    "pickle": lambda: pickle.dumps(SECRET),
    "copy": lambda: copy.copy(SECRET),
    "deepcopy": lambda: copy.deepcopy([SECRET]),
    "msgspec.json": lambda: msgspec.json.encode(SECRET),
    "msgspec.msgpack": lambda: msgspec.msgpack.encode({"a": SECRET}),
    "to_builtins": lambda: msgspec.to_builtins(SECRET),
    "json": lambda: json.dumps(SECRET),
    "vars": lambda: vars(SECRET),
    "text before": lambda: "a" + SECRET,  # type: ignore[operator]
    "text after": lambda: SECRET + "a",  # type: ignore[operator]
    "join": lambda: "".join([SECRET]),  # type: ignore[list-item]
    "bytes": lambda: bytes(SECRET),  # type: ignore[call-overload]
    "iteration": lambda: list(SECRET),  # type: ignore[call-overload]
    "index": lambda: SECRET[0],  # type: ignore[index]
    "len": lambda: len(SECRET),  # type: ignore[arg-type]
    "hash": lambda: hash(SECRET),
    "state": SECRET.__getstate__,
    "%d": lambda: "%d" % SECRET,  # type: ignore[str-format]  # noqa: UP031
}


@pytest.mark.parametrize("way", PRINTED)
def test_in_every_way_of_printing_it_is_redacted(way: str) -> None:
    """Whatever the format asks for."""
    assert PRINTED[way]() == "[REDACTED]"


@pytest.mark.parametrize("way", REFUSED)
def test_no_way_makes_it_text_or_bytes(way: str) -> None:
    """And the error does not tell it either."""
    with pytest.raises(TypeError) as raised:
        REFUSED[way]()
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_only_reveal_shows_it() -> None:
    """That is what it is for."""
    assert SECRET.reveal() == "hunter2"


def test_two_are_equal_when_their_texts_are() -> None:
    """A text is equal to none."""
    assert Secret("größe") == Secret("größe")
    assert Secret("a") != Secret("b")
    assert Secret("a") != Secret("aa")
    assert Secret("a") != "a"


def test_a_comparison_looks_at_all_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one function that takes as long wherever they differ."""
    compared = []

    def compare(*texts: bytes) -> bool:
        compared.append(texts)
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert Secret("a") != Secret("b")
    assert compared == [(b"a", b"b")]


@pytest.mark.parametrize("name", ["db", "DB_password-2", "x" * 64])
def test_a_name_of_a_secret(name: str) -> None:
    """As names are everywhere."""
    assert secret_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", "x" * 65, "a\n"])
def test_no_name_of_a_secret(name: str) -> None:
    """The error says what is one."""
    with pytest.raises(ValueError, match=r"^1 to 64 letters, digits, '_' or '-'$"):
        secret_name(name)


@pytest.mark.parametrize(
    ("value", "names", "text"),
    [
        ("", [], ""),
        ("plain $HOME ${HOME} $$ {secret:a}", [], "plain $HOME ${HOME} $$ {secret:a}"),
        ("${secret:a}", ["a"], "A"),
        ("u:${secret:a}@${secret:b-2}/${secret:a}", ["a", "b-2", "a"], "u:A@B/A"),
        ("$${secret:a}", [], "${secret:a}"),
        ("$$${secret:a}", ["a"], "$A"),
        ("$$$${secret:}", [], "$${secret:}"),
    ],
)
def test_references_are_found_and_filled(value: str, names: list[str], text: str) -> None:
    """Two dollars stand for one; everything else is what it looks like."""
    assert references(value) == names
    assert filled(value, {"a": Secret("A"), "b-2": Secret("B")}) == text


@pytest.mark.parametrize("value", ["${secret:}", "${secret:a b}", "${secret:a", "x${secret:a:-b}", "$$${secret:a.b}"])
def test_what_looks_like_a_reference_and_is_none(value: str) -> None:
    """It is not passed on as text: nobody means that."""
    with pytest.raises(ValueError, match=r"^\$\{secret:NAME\}, NAME being 1 to 64 letters, digits, '_' or '-'$"):
        references(value)


TRICKY = st.text(st.sampled_from("${}a:secrt")) | st.lists(
    st.sampled_from(["$", "${", "{secret:", "${secret:a}", "}", "a"])
).map("".join)


@given(TRICKY, TRICKY, TRICKY)
def test_any_text_can_stand_before_between_and_after_references(first: str, second: str, third: str) -> None:
    """A literal never becomes a reference, nor swallows one."""
    value = f"{literal(first, before_reference=True)}${{secret:a}}{literal(second, before_reference=True)}${{secret:b}}"
    value += literal(third)
    assert references(value) == ["a", "b"]
    assert filled(value, {"a": Secret("${secret:b}"), "b": Secret("")}) == f"{first}${{secret:b}}{second}{third}"
