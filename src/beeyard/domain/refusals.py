"""Why a launch was refused: its category, whether trying again can help, and what to do. Does not decide whether it is
tried again: the restart policy does, for what is missing now may be installed in a minute.
"""

from msgspec import Struct

from beeyard.domain.errors import BeeyardError, Invalid


class Refusal(Struct, frozen=True, omit_defaults=True, gc=False):
    """One refused launch. `recoverable`: whether trying again can help while nobody changes anything; None: unknown."""

    category: str
    recoverable: bool | None = None
    hint: str = ""


REFUSALS: dict[str, Refusal] = {
    refusal.category: refusal
    for refusal in (
        Refusal("executable_not_found", False, "install it, or mend execution.executable_path"),
        Refusal("interpreter_not_found", False, "install that interpreter, or mend the first line of the script"),
        Refusal("not_executable", False, "no program for this machine; a script needs a first line such as #!/bin/sh"),
        Refusal("permission_denied", False, "let the user that it runs as execute and read it, or ask for less"),
        Refusal("folder_not_found", False, "make that folder, or mend execution.working_directory"),
        Refusal("arguments_too_long", False, "shorten execution.args and execution.environment"),
        Refusal("executable_busy", True, "something writes to it; it can be started when that is done"),
        Refusal("address_in_use", True, "something else listens there: end it, or choose another port or path"),
        Refusal("address_not_here", True, "no interface of this host has that address now"),
        Refusal("resource_exhausted", True, "the host is short of processes, memory, open files or disk"),
        Refusal("storage_failed", True, "look after the disk or network file system that it lies on"),
    )
}
"""By the code of the error that a launch ended with."""


def refusal(error: BeeyardError) -> Refusal:
    """What is known of this error; one that has to be edited away does not go away by itself."""
    return REFUSALS.get(error.code) or Refusal(error.code, False if isinstance(error, Invalid) else None, error.hint)
