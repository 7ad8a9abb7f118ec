"""Changes in the monthly series of pixels: season removed, then one change (CUSUM) or several (penalised search)."""
