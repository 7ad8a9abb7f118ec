"""Computations on arrays: arrays in, arrays out, without paths, configuration or logging."""
