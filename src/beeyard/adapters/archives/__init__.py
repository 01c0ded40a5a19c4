"""Packages as one file: a tar archive, compressed by zstd. `pack` writes one, `unpack` makes a folder of one.

Nothing is imported here: `child` and what it needs run in a process of their own, which has to start at once and to
hold little.
"""
