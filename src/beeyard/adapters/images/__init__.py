"""Images of containers: how a registry is asked for them, what they say, and how their layers become files.

Nothing is imported here: `child` and what it needs run in a process of their own, which holds little.
"""
