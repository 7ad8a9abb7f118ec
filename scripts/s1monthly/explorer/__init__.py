"""The explorer: a page for this machine alone, to look at an output tree and to run the workflow on it."""
