"""The configuration model: the only place of defaults, allowed values and their documentation.

Keys and defaults are those of S1-GRiTS, with ours added. `s1monthly.config.docs` writes config.yaml, schema.json and
the table of options from this model. Options marked ``no_effect`` are accepted so that an S1-GRiTS file runs unchanged;
one line then says why each has no effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from s1monthly.config import messages as refusals
from s1monthly.config.fields import (
    FolderPath,
    MonthNumber,
    MonthText,
    Section,
    TileName,
    Track,
    Year,
    listed,
    option,
    unique,
)
from s1monthly.config.processing import Processing
from s1monthly.config.source import Download, Search, SourceSection
from s1monthly.errors import ConfigError
from s1monthly.layout import SIMULATED
from s1monthly.model import Direction, Month, Polarization, canonical_tracks

SENTINEL1_FIRST_MONTH = Month(2014, 4)
"""Sentinel-1A was launched on 3 April 2014: no granule can be older."""


class Roi(Section):
    """Where: a polygon or a list of tiles, flight direction(s) and polarization."""

    wkt: str | None = option(
        None,
        "POLYGON or MULTIPOLYGON in longitude and latitude (EPSG:4326); every tile it meets is processed",
        example="POLYGON((113.6 30.0, 114.9 30.0, 114.9 30.9, 113.6 30.9, 113.6 30.0))",
    )
    manual_mgrs_tiles: (
        Annotated[list[TileName], BeforeValidator(listed, json_schema_input_type=list[str] | str), Field(min_length=1)]
        | None
    ) = option(None, "Tile names, instead of wkt", example=["50RKV", "50RLV"])
    flight_direction: Annotated[
        list[Direction],
        BeforeValidator(listed, json_schema_input_type=list[Direction] | Direction),
        Field(min_length=1),
    ] = option(..., "ASCENDING, DESCENDING, or a list of both; each has its own cube", example="ASCENDING")
    polarization: Polarization = option(Polarization.VV_VH, "Polarization pair; a granule must hold both layers")
    tracks: (
        Annotated[list[Track], BeforeValidator(listed, json_schema_input_type=list[Track] | Track), Field(min_length=1)]
        | None
    ) = option(None, "Tracks (relative orbits) to use, 1 to 175; all where not given", example=[137])

    @field_validator("manual_mgrs_tiles", "flight_direction", "tracks")
    @classmethod
    def _no_doubles(cls, values: list[Any] | None) -> list[Any] | None:
        return unique(values)

    @field_validator("tracks")
    @classmethod
    def _in_order(cls, tracks: list[int] | None) -> list[int] | None:
        return canonical_tracks(tracks)

    @field_validator("wkt")
    @classmethod
    def _polygon(cls, wkt: str | None) -> str | None:
        if wkt is not None:
            refusals.check_polygon(wkt)
        return wkt

    @model_validator(mode="after")
    def _one_mode(self) -> Roi:
        if self.wkt is None and self.manual_mgrs_tiles is None:
            raise PydanticCustomError("roi", "no region: give either wkt or manual_mgrs_tiles")
        return self


class Time(Section):
    """When: whole past months, by years (and months), by first and last month, or the full archive."""

    years: (
        Annotated[list[Year], BeforeValidator(listed, json_schema_input_type=list[Year] | Year), Field(min_length=1)]
        | None
    ) = option(None, "Years to process", example=[2024, 2025])
    months: (
        Annotated[
            list[MonthNumber],
            BeforeValidator(listed, json_schema_input_type=list[MonthNumber] | MonthNumber),
            Field(min_length=1),
        ]
        | None
    ) = option(None, "Months of these years, 1 to 12; all where not given", example=[6, 7, 8])
    full: int | None = option(
        None, "Instead of years: from the earliest granule to the end of this year", example=2026, ge=2014, le=2100
    )
    start: MonthText | None = option(None, "Instead of years: first month, YYYY-MM", example="2021-11")
    end: MonthText | None = option(None, "Last month, YYYY-MM, with start", example="2023-12")
    mode: Literal["years", "full"] | None = option(
        None, "Of S1-GRiTS's older time_range section", no_effect="the mode follows from the keys given"
    )

    @field_validator("years", "months")
    @classmethod
    def _no_doubles(cls, values: list[int] | None) -> list[int] | None:
        return unique(values)

    @model_validator(mode="after")
    def _one_mode(self) -> Time:
        given = [k for k, v in (("years", self.years), ("full", self.full), ("start/end", self.start or self.end)) if v]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise PydanticCustomError(
                "time", "give exactly one of years, full, or start and end; found {found}", {"found": found}
            )
        if self.months and not self.years:
            raise PydanticCustomError("time", "months goes with years only; use start and end for a span of months")
        if bool(self.start) != bool(self.end):
            raise PydanticCustomError("time", "start and end go together; give both")
        if self.start and self.end and self.start > self.end:
            raise PydanticCustomError(
                "time", "start {start} is after end {end}; swap them", {"start": self.start, "end": self.end}
            )
        return self

    def wanted(self, today: date) -> tuple[list[Month], list[str]]:
        """List the requested months that are over, in order, with a warning for each month (or end) that is skipped.

        With `full` these are all months since Sentinel-1's launch; the search then drops those before the earliest
        granule.

        Parameters
        ----------
        today : date
            Current date, UTC. Its month and all later ones are skipped.
        """
        current = Month.of(today)
        if self.full is not None:
            last = min(Month(self.full, 12), current.shift(-1))
            warnings = []
            if last < Month(self.full, 12):
                last_day = last.end.date() - timedelta(days=1)
                warnings.append(
                    f"Clipping end date from {self.full}-12-31 to {last_day}"
                    f" (last fully completed month; today is {today})"
                )
            return list(SENTINEL1_FIRST_MONTH.until(last)), warnings
        if self.start and self.end:
            asked = list(Month.parse(self.start).until(Month.parse(self.end)))
        else:
            asked = [Month(y, m) for y in sorted(self.years or []) for m in sorted(self.months or range(1, 13))]
        skipped = [
            f"Skipping {month}: month is current (incomplete) or future (today is {today})"
            for month in asked
            if month >= current
        ]
        return [month for month in asked if month < current], skipped


class Formats(Section):
    """Which files are written beside the cube."""

    cog: bool = option(True, "Write a cloud-optimised GeoTIFF a month")
    preview: bool = option(True, "Write a preview picture a month")


class Output(Section):
    """Where products go."""

    base_dir: FolderPath = option("./output", "Root of the output tree, a folder; ~ is expanded")
    work_dir: FolderPath | None = option(
        None,
        "Granule lists, temporary files and logs, one folder for each base_dir; may be deleted between runs."
        " Where not given: work in base_dir",
        example="./work",
    )
    overwrite: bool = option(
        False, "Allow months to be remade with another recipe, where the time range covers every month the cube holds"
    )
    formats: Formats = Formats()
    disk_warn_gb: float = option(50, "Warn at the start when less space than this (GB) is free under base_dir", ge=0)

    @field_validator("base_dir", "work_dir")
    @classmethod
    def _no_wildcards(cls, path: str | None) -> str | None:
        if path is not None and set(path) & set("{}<>"):
            raise PydanticCustomError(
                "path",
                "folder {path} has braces or angle brackets, which Snakemake replaces; give another folder",
                {"path": repr(path)},
            )
        return path


class Parallel(Section):
    """How many jobs at once: Snakemake's --cores and --jobs decide."""

    enabled: bool = option(True, "Parallel tiles", no_effect="snakemake --cores N decides")
    max_workers: int = option(4, "Tiles at once", no_effect="snakemake --cores N decides", ge=1)


class Memory(Section):
    """Limits and failures."""

    max_memory_gb: float | Literal["auto"] = option(
        "auto", "Memory to use", no_effect="every rule declares its memory; limit all with --resources mem_mb=N"
    )
    batch_strategy: Literal["auto", "yearly", "quarterly", "monthly"] = option(
        "auto", "Size of a batch", no_effect="a month is always its own job"
    )
    max_download_workers: int = option(2, "Granules read at once in one job", ge=1, le=64)
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


class Config(Section):
    """The whole configuration."""

    roi: Roi
    time: Time
    source: SourceSection = SourceSection()
    search: Search = Search()
    download: Download = Download()
    output: Output = Output()
    processing: Processing = Processing()
    memory: Memory = Memory()
    parallel: Parallel = Parallel()
    logging: Logging = Logging()

    @model_validator(mode="before")
    @classmethod
    def _time_range(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "time_range" in values:
            if "time" in values:
                raise PydanticCustomError("time", "time and time_range say the same; keep time")
            values = {("time" if key == "time_range" else key): value for key, value in values.items()}
        return values

    @model_validator(mode="after")
    def _roi_modes(self) -> Config:
        both = self.roi.wkt is not None and self.roi.manual_mgrs_tiles is not None
        if both and not self.processing.use_roi_mask:
            raise PydanticCustomError(
                "roi",
                "roi.wkt and roi.manual_mgrs_tiles contradict each other; give one of them"
                " (both only with processing.use_roi_mask: true, where wkt is the mask)",
            )
        if self.processing.use_roi_mask and self.roi.wkt is None:
            raise PydanticCustomError("roi", "processing.use_roi_mask needs roi.wkt, the polygon to mask with")
        return self

    @model_validator(mode="after")
    def _texture_inputs(self) -> Config:
        held = [f"{layer}_dB" for layer in self.roi.polarization.layers]
        strange = [name for name in self.processing.texture_features.inputs or [] if name not in held]
        if strange and self.processing.texture_features.enabled:
            raise PydanticCustomError(
                "texture",
                "processing.texture_features.inputs: no {strange} with roi.polarization {pair}; there are {held}",
                {"strange": ", ".join(strange), "pair": str(self.roi.polarization), "held": " and ".join(held)},
            )
        return self

    @property
    def textures(self) -> dict[str, Any] | None:
        """Options that decide the texture bands, see `TextureFeatures.recipe`; None without textures."""
        features = self.processing.texture_features
        return features.recipe(*self.roi.polarization.layers) if features.enabled else None

    @property
    def work_dir(self) -> str:
        """Folder of granule lists, temporary files and logs."""
        return self.output.work_dir or os.path.join(self.output.base_dir, "work")

    @property
    def source_path(self) -> Path | None:
        """Folder of the local or simulated source; None for the archive."""
        if self.source.kind == "simulated":
            return Path(self.source.path or os.path.join(self.work_dir, SIMULATED))
        return Path(self.source.path) if self.source.path else None

    @property
    def source_options(self) -> dict[str, Any]:
        """Arguments for opening the source, except its kind."""
        options: dict[str, Any] = {"polarization": self.roi.polarization, "only_tracks": self.roi.tracks}
        if self.source.kind == "asf":
            return options | {
                **self.source.hosts.model_dump(),
                "access": self.download.access,
                "cache_dir": self.download.cache_dir,
                "cache_max_bytes": int(self.download.cache_max_gb * 1e9),
                "with_mask": self.processing.mask != "none",
                "keys_dir": os.path.join(self.work_dir, "s3_keys"),
                "search_seconds": self.search.retry_timeout_seconds,
                "fetch_seconds": self.memory.scene_retry_timeout_seconds,
            }
        options |= {"folder": str(self.source_path)}
        if self.source.kind == "simulated":
            return options | self.source.simulation.model_dump()
        return options | {"with_mask": self.processing.mask != "none", **self.run_folders}

    @property
    def run_folders(self) -> dict[str, Any]:
        """Own folders of this run, for `listing.list_folder`; without the cache if the source folder lies in it."""
        cache, source = self.download.cache_dir, self.source_path
        listed = cache and source and source.resolve().is_relative_to(Path(cache).resolve())
        return {"trees": [self.work_dir], "cache": None if listed else cache}

    @property
    def read_workers(self) -> int:
        """Number of granules read at once in one job."""
        fetched = self.download.max_workers if self.source.kind == "asf" else None
        return fetched or self.memory.max_download_workers

    def notes(self) -> list[str]:
        """Return one line for each given option that has no effect, with the reason."""
        return [f"{key}: no effect here, {reason}" for key, reason in refusals.without_effect(self)]


def load_config(values: Mapping[str, Any]) -> Config:
    """Check a configuration and return it as a `Config`.

    Parameters
    ----------
    values : mapping
        As read from YAML.

    Raises
    ------
    ConfigError
        If it has unknown keys or bad values; the message names each, with the nearest known key or the allowed values.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        problems = refusals.explain(error, Config)
        raise ConfigError(
            "the configuration cannot be used:\n" + "\n".join(f"  - {p}" for p in problems), "mend these and run again"
        ) from None
