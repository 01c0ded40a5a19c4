"""Packages of Debian's and Fedora's kind: what `apt` and `dnf` have in common."""
