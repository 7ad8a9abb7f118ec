"""Geometry and radiometry of Sentinel-1 GRD images."""
