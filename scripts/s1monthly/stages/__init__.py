"""The chain of a month: bursts, composite, publish."""
