"""Measures Beeyard against its peers in one run on one machine, and prints ratios.

Seconds of two days or two machines are never compared: only what ran in turn, here and now. Run it as
`python -m bench`; `bench/README.md` says what is measured and how.
"""
