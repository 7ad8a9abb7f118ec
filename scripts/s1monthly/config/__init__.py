"""The configuration: every option, default and allowed value, once."""
