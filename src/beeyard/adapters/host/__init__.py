"""What only this kernel can tell or do. Nothing here decides anything about workers."""
