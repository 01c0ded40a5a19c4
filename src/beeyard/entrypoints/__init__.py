"""What drives the application: command line, socket, daemon. They translate and decide nothing."""
