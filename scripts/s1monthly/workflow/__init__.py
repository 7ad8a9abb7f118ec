"""Plan a run, start its jobs, and keep runs apart."""
