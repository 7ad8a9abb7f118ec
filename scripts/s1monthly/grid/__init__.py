"""Geometry: tiles, lattices, outlines, regions of interest and the orbit."""
