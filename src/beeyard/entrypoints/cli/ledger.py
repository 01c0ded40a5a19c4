"""The faces of what is kept about requests: jobs, tokens, the journal. What is to be piped on stands alone on
standard output, what people want to know besides on standard error."""

import sys
from collections.abc import Sequence
from typing import Any

from beeyard.application.operations.token_create import TokenCreated
from beeyard.application.operations.token_link import LoginLink
from beeyard.application.operations.token_list import TokenView
from beeyard.application.views import Event, JobView
from beeyard.domain.errors import Untrusted
from beeyard.domain.values import human_duration
from beeyard.entrypoints.cli.screen import colours, say, show, width
from beeyard.entrypoints.cli.target import Target
from beeyard.ports.journal import Entry, Verdict
from beeyard.sdk.endpoints import EndpointView


def jobs(target: Target, request: Any, views: Sequence[JobView]) -> None:
    """A table."""
    from beeyard.entrypoints.cli import records

    if views:
        show(records.jobs(views, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say("no jobs: whatever changes something is one, and is kept for a day")


def job(target: Target, request: Any, view: JobView) -> None:
    """A line a fact."""
    from beeyard.entrypoints.cli import records

    show(records.job(view, colour=colours(sys.stdout)))


def endpoints(target: Target, request: Any, views: Sequence[EndpointView]) -> None:
    """A table."""
    from beeyard.entrypoints.cli import records

    if views:
        show(records.endpoints(views, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say("no endpoints: a worker has some while it is ready; `endpoints:` in its worker file names them")


def endpoint(target: Target, request: Any, view: EndpointView) -> None:
    """Its address, alone."""
    show(view.address)


def created(target: Target, request: Any, made: TokenCreated) -> None:
    """The token, alone, and beside it what it is good for."""
    from beeyard.entrypoints.cli import records

    show(made.token)
    lasts = "for ever" if made.expires is None else f"for {human_duration(request.lasts)}"
    say(f"{made.name}: {records.allowed(made.grant)}; {lasts}. It is not shown again.")


def tokens(target: Target, request: Any, views: Sequence[TokenView]) -> None:
    """A table."""
    from beeyard.entrypoints.cli import records

    if views:
        show(records.tokens(views, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say(f"no tokens: {target.command('token create NAME')}")


def link(target: Target, request: Any, made: LoginLink) -> None:
    """The link, alone."""
    show(made.url)
    say("it logs one browser in, once, and is good for ten minutes")


def revoked(target: Target, request: Any, id: str) -> None:
    """Its id."""
    show(f"revoked {id}")


def entries(target: Target, request: Any, found: Sequence[Entry]) -> None:
    """A table."""
    from beeyard.entrypoints.cli import records

    if found:
        show(records.journal(found, width(sys.stdout), colour=colours(sys.stdout)))
    else:
        say("no entries")


def verified(target: Target, request: Any, found: Verdict) -> None:
    """How many entries, and the head to note down. Raises Untrusted."""
    from beeyard.entrypoints.cli import records

    check_verified(target, request, found)
    count, head = records.verdict(found).split("\n")
    show(head)
    say(f"{count}; keep that line: audit verify --known tells whether the journal still goes back to it")


def check_verified(target: Target | None, request: Any, found: Verdict) -> None:
    """Raises Untrusted: `journal_broken`."""
    if found.problem:
        text = "the journal is not what was written:\n{problem}"
        raise Untrusted("journal_broken", text, problem=found.problem, hint="compare it with an export from before")


def happened(event: Event) -> str:
    """A line an event."""
    from beeyard.entrypoints.cli import records

    return records.event(event, colour=colours(sys.stdout))
