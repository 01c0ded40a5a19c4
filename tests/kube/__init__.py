"""A Kubernetes API server on loopback, with a kubelet that does what a test says."""
