"""Workers by the call: an image, cores and memory in, a worker out. Over a master in this program, or the client of
another one; what it makes are workers as any other."""
