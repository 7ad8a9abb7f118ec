"""Tiles, lattices, outlines and the orbit: where everything lies."""
