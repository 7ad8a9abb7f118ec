"""Snakemake that asks SLURM every second: its plugin waits ten seconds longer each time that no job has ended."""

from __future__ import annotations

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)

if __name__ == "__main__":
    sys.exit(main())
