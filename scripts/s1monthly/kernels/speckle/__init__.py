"""Speckle filters, one module per method."""
