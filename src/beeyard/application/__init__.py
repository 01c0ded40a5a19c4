"""Shells around the domain: asyncio lives here, vendors do not."""
