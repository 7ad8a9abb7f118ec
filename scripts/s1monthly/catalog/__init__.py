"""STAC Items, the documents above them, and the Parquet catalogs."""
