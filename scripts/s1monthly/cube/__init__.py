"""Reader and writer of the Zarr cube of a tile and direction."""
