"""What is known of a launch that was refused."""

import errno

import pytest

from beeyard.domain.errors import BeeyardError, Invalid, Rejected
from beeyard.domain.refusals import REFUSALS, Refusal, refusal
from beeyard.launcher import refusals
from beeyard.launcher.refusals import CODES, ELSE, SpawnFailed, in_folder, in_preparation, of_program


def test_every_code_of_the_launcher_is_known() -> None:
    """And nothing is known that it never says."""
    assert CODES - {ELSE} == REFUSALS.keys()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Rejected("resource_exhausted", "no"), REFUSALS["resource_exhausted"]),
        (Rejected("refused", "no"), Refusal("refused")),
        (Rejected("secret_failed", "no", hint="look there"), Refusal("secret_failed", None, "look there")),
        (Invalid("bad_user", "no", hint="another user"), Refusal("bad_user", False, "another user")),
    ],
)
def test_what_is_not_known_keeps_its_own_code_and_hint(error: BeeyardError, expected: Refusal) -> None:
    """Only input that is wrong is sure to stay so."""
    assert refusal(error) == expected


def system(number: int) -> OSError:
    """As the kernel's calls raise it."""
    return OSError(number, "no")


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (of_program("/no", system(errno.ENOENT)), "executable_not_found"),
        (of_program("/", system(errno.ENOENT)), "interpreter_not_found"),
        (of_program("/no", system(errno.ENOEXEC)), "not_executable"),
        (of_program("/no", system(errno.EACCES)), "permission_denied"),
        (of_program("/no", system(errno.ETXTBSY)), "executable_busy"),
        (of_program("/no", system(errno.E2BIG)), "arguments_too_long"),
        (of_program("/no", system(errno.EAGAIN)), "resource_exhausted"),
        (of_program("/no", system(errno.EIO)), "storage_failed"),
        (of_program("/no", system(errno.ELOOP)), ELSE),
        (of_program("/no", ValueError("embedded null byte")), ELSE),
        (in_folder("/no", system(errno.ENOENT)), "folder_not_found"),
        (in_folder("/no", system(errno.EACCES)), "permission_denied"),
        (in_preparation("user 7", system(errno.EPERM)), "permission_denied"),
        (in_preparation("user 7", system(errno.EAGAIN)), "resource_exhausted"),
        (in_preparation("limit nofile", ValueError("not allowed to raise maximum limit")), "permission_denied"),
    ],
)
def test_each_refusal_has_its_code(failed: SpawnFailed, code: str) -> None:
    """By what was being done, and the kernel's number."""
    assert failed.code == code


def test_a_child_tells_its_parent_text_and_code() -> None:
    """Through a pipe, and no more than the pipe takes at once."""
    told = SpawnFailed.reported(SpawnFailed("/a b: No such file", "executable_not_found").report())
    assert (str(told), told.code) == ("/a b: No such file", "executable_not_found")
    assert len(SpawnFailed("ä" * 9000).report()) <= 4000
    assert refusals.code_of(told) == "executable_not_found"
