"""The documents of a month: granule list, search log, recipe and month record."""
