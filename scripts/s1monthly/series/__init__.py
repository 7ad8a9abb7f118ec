"""Series of points and polygons over all tiles, directions and months of an output tree."""
