"""What the application needs from outside: one Protocol a file, and the values that cross it."""
