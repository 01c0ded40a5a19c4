"""Workers as WebAssembly within the master: each attempt a sandbox of its own, in a thread of its own."""
