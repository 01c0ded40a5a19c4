"""Workers as pods, or jobs, of a Kubernetes cluster."""
