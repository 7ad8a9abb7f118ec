"""The Zarr cube of a tile and direction."""
