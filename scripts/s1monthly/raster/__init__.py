"""Read and write GeoTIFFs, COGs and pictures."""
