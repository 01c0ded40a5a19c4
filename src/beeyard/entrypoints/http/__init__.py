"""The API over HTTP, made from the table of operations."""
