"""Sentinel-1 GRD products: read them, calibrate them, and place them on the ground."""
