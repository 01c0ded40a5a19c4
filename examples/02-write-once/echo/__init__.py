"""Says again what it is told, over HTTP and gRPC, or directly."""
