"""What the ports mean in practice: one vendor a file, or a package where one file would do two things."""
