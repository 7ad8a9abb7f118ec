"""Arrays in, arrays out: no path, no configuration, no log."""
