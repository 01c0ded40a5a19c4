"""What a tool complained about, as an error of ours: told by the words that apt, dpkg, dnf and rpm have for it."""

import re

from beeyard.adapters.system.running import Ran
from beeyard.domain.errors import BeeyardError, Refused, Rejected, Unavailable, Untrusted

_UNTRUSTED = re.compile(
    r"(is not|is no longer|not) signed|NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|GPG error|Bad GPG signature"
    r"|Hash Sum mismatch|repomd.xml GPG signature|unexpected size|checksum doesn't match"
    r"|Clearsigned file|signatures? .*(invalid|not be verified|not OK)|GPG check FAILED|repomd\.xml\.asc",
    re.IGNORECASE,
)
_OUT_OF_DATE = re.compile(r"Release file for .* is (expired|not valid yet)")
_LOCKED = re.compile(
    r"Could not get lock|is held by|was locked by|Failed to obtain .*lock|lock on .* failed|can't create .*lock"
)
_INTERRUPTED = re.compile(r"dpkg was interrupted")
_NO_ROOM = re.compile(
    r"No space left|don't have enough free space|needs .* more space|Disk Requirements", re.IGNORECASE
)
_NO_RIGHT = re.compile(r"Permission denied|are you root|superuser|with root privileges", re.IGNORECASE)
_UNFIT = re.compile(
    r"unmet dependencies|held broken packages|pkgProblemResolver|nothing provides|conflicting requests"
    r"|Held packages were changed|Packages need to be removed|cannot install both|protected packages"
)
_STOPPED = re.compile(
    r"Sub-process .* (returned an error code|received|exited unexpectedly)|did not end within"
    r"|Transaction test error|Error: Transaction failed"
)
_PROCESSING = re.compile(r"^dpkg: error processing .*:\s*\n\s*(.+)$", re.MULTILINE)
_COMPLAINT = re.compile(r"^(?:E|Error|error|Errors?|dpkg: error|dpkg-deb: error)\s*:\s*(.+)$", re.MULTILINE)


def trouble(where: str, ran: Ran) -> BeeyardError:
    """Why it ended otherwise than well. `where`: the repository, or the package."""
    said = f"{ran.err}\n{ran.out}"
    text, fields = "{where}: {reason}", {"where": where, "reason": reason(ran)}
    if _OUT_OF_DATE.search(said):
        hint = "look at the clock of this host; else its owner publishes it anew, or somebody holds back what is newer"
        return Untrusted("repository_expired", text, hint=hint, **fields)
    if _UNTRUSTED.search(said):
        hint = "don't go on: ask its owner. `root` names the key that signs it, `trust: unsigned` looks at none"
        return Untrusted("system_untrusted", text, hint=hint, **fields)
    if _INTERRUPTED.search(said):
        text = "{where}: an earlier install on this host was interrupted"
        return Refused("system_interrupted", text, hint="run as root: dpkg --configure -a", where=where)
    if _LOCKED.search(said):
        hint = "somebody else installs on this host: try again when that is done"
        return Unavailable("system_locked", text, hint=hint, **fields)
    if _NO_ROOM.search(said):
        return Rejected("system_no_room", text, hint="make room", **fields)
    if _UNFIT.search(said):
        return Refused("system_unfit", "{where}: {reason}", hint="", where=where, reason=_unfit(ran))
    if _NO_RIGHT.search(said):
        hint = "run Beeyard as root, or write `unpacked: true`"
        return Rejected("system_no_right", text, hint=hint, **fields)
    if _STOPPED.search(said):
        hint = "the system may have it in part: what it says has to be mended, then another try goes on from there"
        return Rejected("system_stopped", text, hint=hint, **fields)
    return Unavailable("system_failed", text, hint="look at its place, and at the network", **fields)


def reason(ran: Ran) -> str:
    """What dpkg stumbled over, or the first complaint; else the last line there is."""
    said = f"{ran.err}\n{ran.out}"
    if found := _PROCESSING.search(said) or _COMPLAINT.search(said):
        return " ".join(found[1].split()).rstrip(".")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"ended with code {ran.code}"


def _unfit(ran: Ran) -> str:
    """What apt says below its heading about unmet dependencies, or dnf below its `Problem:`."""
    wants = re.findall(r"(?:Depends|Conflicts|Breaks|Problem[ 0-9]*): .+|nothing provides .+", f"{ran.out}\n{ran.err}")
    return "; ".join(" ".join(one.split()) for one in wants[:5]) or reason(ran)
