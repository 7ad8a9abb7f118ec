"""Inspect, validate and rebuild an output tree."""
