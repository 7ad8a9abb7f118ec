"""Simulated GRD products: a forward model that walks the image, and a writer of whole products."""
