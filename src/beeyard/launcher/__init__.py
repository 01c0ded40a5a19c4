"""The launcher: parent of every worker process, and the pump beside it that keeps their output.

A program of its own: standard library and its own siblings only, no asyncio, nothing imported after the start, so that
it goes on while the files it came from are replaced.
"""
