"""Maps made of many tiles."""
