"""Sections parallel, memory and logging: how jobs run."""

from __future__ import annotations

from typing import Literal

from s1monthly.config.fields import Section, option


class Parallel(Section):
    """How many jobs at once: Snakemake's --cores and --jobs decide."""

    enabled: bool = option(True, "Parallel tiles", no_effect="snakemake --cores N decides")
    max_workers: int | Literal["auto"] = option(4, "Tiles at once", no_effect="snakemake --cores N decides")


class Memory(Section):
    """Limits and failures."""

    max_memory_gb: float | Literal["auto"] | None = option(
        "auto", "Memory to use", no_effect="every rule declares its memory; limit all with --resources mem_mb=N"
    )
    batch_strategy: Literal["auto", "yearly", "quarterly", "monthly"] = option(
        "auto", "Size of a batch", no_effect="a month is always its own job"
    )
    max_download_workers: int | None = option(
        None,
        "Granules read at once in one job; where not given, 2, and source asf fetches as many as the link takes",
        example=8,
        ge=1,
        le=64,
    )
    scene_retry_timeout_seconds: float = option(600, "Time for all tries of one granule's download, seconds", gt=0)
    batch_max_retries: int = option(2, "Retries of a failed job that reads granules", ge=0, le=20)
    max_failed_ratio: float = option(
        0.0,
        "Fraction of a month's granules that may be unreadable; the record then names them. 0: the month fails",
        ge=0,
        le=1,
    )
    clear_cache_per_batch: bool = option(
        True, "Clear caches after a batch", no_effect="temporary files go as soon as the next stage has used them"
    )


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Logging(Section):
    """Logs: every job has its own file, under logs/ in the work folder."""

    file_level: LogLevel = option("INFO", "Least level written to the log files")
    console_level: LogLevel = option(
        "INFO", "Console", no_effect="the console is Snakemake's; see its --quiet and --verbose"
    )
    suppress_third_party: bool = option(True, "Keep messages of libraries below WARNING out of the log files")
    log_file: str | None = option(None, "One log file", example="s1grits.log", no_effect="every job has its own file")
