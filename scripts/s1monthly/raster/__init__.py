"""Readers and writers of GeoTIFFs, COGs and preview pictures."""
