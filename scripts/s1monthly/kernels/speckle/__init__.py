"""Speckle filters, one module a method."""
