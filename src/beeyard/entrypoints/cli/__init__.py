"""The command line, made from the table of operations. It asks the master over its socket and decides nothing."""
