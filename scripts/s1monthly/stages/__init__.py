"""The stages of a month: bursts, composite, publish."""
