"""Runs a command that somebody else wrote, so that it reaches no network, no secret and nothing but its own folder.

`command` starts and judges it; `child` is what runs before it in processes of its own, `becoming` the last of those.
What takes something away: `walls` the view of the host, `powers` those of root, and sockets, `archives.confine` files,
as from those who unpack. `together` bounds all of it.
"""
