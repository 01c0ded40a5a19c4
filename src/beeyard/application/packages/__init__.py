"""The packages of one host: what is installed, what can be had, and how the one becomes the other.

Everybody who needs a package asks `ensure`. Policies and requests meet by AND: a request may ask for less than the
policies allow, never for more; and nothing skips a checksum or a signature.
"""
