"""Simulated granules with a known truth."""
