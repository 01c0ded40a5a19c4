"""`python -m beeyard`."""

from beeyard.entrypoints.cli.main import main

main()
