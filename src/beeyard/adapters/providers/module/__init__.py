"""Workers within the master: each attempt a module in an apartment of its own."""
