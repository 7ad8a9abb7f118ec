"""STAC Items, the Collection and the Parquet catalogs."""
