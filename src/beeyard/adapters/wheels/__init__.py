"""Distributions of Python: how an index is asked for them, which wheels go together, and what an environment is.

Nothing is imported here: what reads versions and markers is loaded by who first needs it.
"""
