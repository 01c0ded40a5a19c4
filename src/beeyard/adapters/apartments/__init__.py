"""What runs within the master's own process: a thread for each attempt, all that it starts, and all that it says.

Knows threads, loops and pipes, and what every provider of such workers has to do; refuses to know what they run.
"""
