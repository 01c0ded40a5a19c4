"""Pure decisions: no IO, no clock, no randomness, no asyncio. Time and chance come in as arguments."""
