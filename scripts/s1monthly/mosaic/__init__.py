"""Maps of many tiles."""
