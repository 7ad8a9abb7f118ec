"""The whole configuration: all sections, and what follows from several of them.

Keys and defaults are those of S1-GRiTS, with ours added. `s1monthly.config.docs` writes config.yaml, schema.json and
the table of options from this model. Options marked ``no_effect`` are accepted so that an S1-GRiTS file runs unchanged;
one line then says why each has no effect.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError, model_validator

from s1monthly.config.fields import Section, refusal
from s1monthly.config.grd import Grd
from s1monthly.config.messages import explain, without_effect
from s1monthly.config.output import Output
from s1monthly.config.processing import Processing
from s1monthly.config.publish import IN_TREE, Publish, lies_in_tree
from s1monthly.config.roi import Roi
from s1monthly.config.running import Logging, Memory, Parallel
from s1monthly.config.s1grits import translate
from s1monthly.config.source import Download, Search, SourceSection
from s1monthly.config.static import Static
from s1monthly.config.time import Time
from s1monthly.errors import ConfigError
from s1monthly.kernels.options import RADIOMETRY
from s1monthly.layout import SIMULATED

READ_AT_ONCE, FETCHED_AT_ONCE = 2, 16
"""Granules that a job reads at once, and those that it fetches or has fetched meanwhile."""


class Config(Section):
    """The whole configuration."""

    roi: Roi
    time: Time
    source: SourceSection = SourceSection()
    search: Search = Search()
    download: Download = Download()
    grd: Grd = Grd()
    output: Output = Output()
    processing: Processing = Processing()
    static: Static = Static()
    publish: Publish = Publish()
    memory: Memory = Memory()
    parallel: Parallel = Parallel()
    logging: Logging = Logging()
    _translated: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _mask_has_polygon(self) -> Config:
        if self.processing.use_roi_mask and self.roi.polygon is None:
            raise refusal("processing.use_roi_mask needs the polygon to mask with: roi.wkt, roi.file or roi.bbox")
        return self

    @model_validator(mode="after")
    def _grd_is_possible(self) -> Config:
        if self.source.kind != "grd":
            return self
        self.grd.refuse_unusable()
        return self

    @model_validator(mode="after")
    def _published_elsewhere(self) -> Config:
        if self.publish.url and lies_in_tree(self.publish.url, self.output.base_dir):
            raise refusal(IN_TREE)
        return self

    @model_validator(mode="after")
    def _one_way_to_pool(self) -> Config:
        if self.processing.by_track and "COMBINED" in self.roi.flight_direction:
            raise refusal(
                "roi.flight_direction COMBINED pools the tracks that processing.by_track keeps apart; give one of them"
            )
        return self

    @model_validator(mode="after")
    def _texture_inputs(self) -> Config:
        known = [f"{layer}_dB" for layer in self.roi.polarization.layers]
        unknown = [name for name in self.processing.texture_features.inputs or [] if name not in known]
        if unknown and self.processing.texture_features.enabled:
            raise refusal(
                "processing.texture_features.inputs: no {unknown} with roi.polarization {pair}; there are {known}",
                unknown=", ".join(unknown),
                pair=str(self.roi.polarization),
                known=" and ".join(known),
            )
        return self

    @model_validator(mode="after")
    def _db_bands(self) -> Config:
        known = [f"{layer}_dB" for layer in self.roi.polarization.layers]
        unknown = [name for name in self.output.bands if name.endswith("_dB") and name not in known]
        if unknown:
            raise refusal(
                "output.bands: no {unknown} with roi.polarization {pair}; {known} are always kept",
                unknown=", ".join(unknown),
                pair=str(self.roi.polarization),
                known=" and ".join(known),
            )
        return self

    @property
    def textures(self) -> dict[str, Any] | None:
        """Options that decide the texture bands, see `TextureFeatures.recipe`; None without textures."""
        features = self.processing.texture_features
        return features.recipe(*self.roi.polarization.layers) if features.enabled else None

    @property
    def composite_needs_statics(self) -> bool:
        """True if an option of composites reads the static layers of the passes; rule composite then waits for them."""
        return self.processing.composite_needs_statics

    @property
    def makes_statics(self) -> bool:
        """True if static layers are made: because they are wanted, or because another option needs them."""
        from_statics = self.converts and self.source.kind != "grd"
        return self.static.enabled or from_statics or self.composite_needs_statics

    @property
    def converts(self) -> bool:
        """True if power is not gamma0 of the terrain. Bursts are converted, which needs their static granules."""
        return self.processing.radiometry != RADIOMETRY

    @property
    def work_dir(self) -> str:
        """Folder of granule lists, temporary files and logs."""
        return self.output.work_dir or os.path.join(self.output.base_dir, "work")

    @property
    def source_path(self) -> Path | None:
        """Folder of the source; None for the archive."""
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
                "connections": self.connections,
                "with_mask": self.processing.mask != "none",
                "keys_dir": os.path.join(self.work_dir, "s3_keys"),
                "link_dir": os.path.join(self.work_dir, "connections"),
                "search_seconds": self.search.retry_timeout_seconds,
                "fetch_seconds": self.memory.scene_retry_timeout_seconds,
            }
        options |= {"folder": str(self.source_path)}
        if self.source.kind == "grd":
            if self.grd.fetches_orbits:
                options |= {"orbit_host": self.grd.hosts.orbits, "seconds": self.memory.scene_retry_timeout_seconds}
            return options | {"orbits": self.orbits_folder}
        if self.source.kind == "simulated":
            return options | self.source.simulation.model_dump()
        return options | {"with_mask": self.processing.mask != "none", **self.run_folders}

    @property
    def fetched_dir(self) -> str:
        """Folder of what source grd fetches: DEM, geoid, orbit files."""
        return self.grd.cache_dir or os.path.join(self.work_dir, "fetched")

    @property
    def orbits_folder(self) -> str | None:
        """Folder of orbit files, the user's or that of fetched ones; None without."""
        return os.path.join(self.fetched_dir, "orbits") if self.grd.fetches_orbits else self.grd.orbits_folder

    @property
    def run_folders(self) -> dict[str, Any]:
        """Own folders of this run, for `listing.list_folder`; without the cache if the source folder lies in it."""
        cache, source = self.download.cache_dir, self.source_path
        listed = cache and source and source.resolve().is_relative_to(Path(cache).resolve())
        return {"trees": [self.work_dir], "cache": None if listed else cache}

    @property
    def read_workers(self) -> int:
        """Number of granules read at once in one job."""
        if self.source.kind == "grd":
            return 1  # a slice takes as much memory as a whole tile, and several threads
        fetched = self.connections if self.source.kind == "asf" else None
        return fetched or self.memory.max_download_workers or READ_AT_ONCE

    @property
    def connections(self) -> int | None:
        """Requests of one job to the archive at once; None if all jobs share what the link takes."""
        return self.download.max_workers or self.memory.max_download_workers

    @property
    def held_granules(self) -> int:
        """Number of granules that a job fetches, or has fetched, and reads at once."""
        return FETCHED_AT_ONCE if self.source.kind == "asf" and self.connections is None else self.read_workers

    def notes(self) -> list[str]:
        """Return one line for each given option that has no effect, with the reason."""
        lines = [f"{key}: no effect here, {reason}" for key, reason in without_effect(self)]
        if self.roi.manual_mgrs_tiles and self.roi.polygon and not self.processing.use_roi_mask:
            lines.append(
                "WARNING roi: the polygon has no effect beside manual_mgrs_tiles; with use_roi_mask it masks the tiles"
            )
        if self.processing.angle_normalisation.lacks_exponent:
            lines.append("WARNING processing.angle_normalisation: reference has no effect without exponent")
        if self.source.kind != "grd" and self.grd != Grd():
            lines.append(f"WARNING grd: no effect with source.kind {self.source.kind}")
        if self.publish.url is None and self.publish != Publish():
            lines.append("WARNING publish: no effect without url")
        if self.makes_statics and not self.static.enabled and "enabled" in self.static.model_fields_set:
            lines.append("static.enabled: false has no effect here, other options need static layers, so they are made")
        return [*self._translated, *lines]


def load_config(values: Mapping[str, Any]) -> Config:
    """Check a configuration and return it as a `Config`.

    Parameters
    ----------
    values : mapping
        As read from YAML; keys of S1-GRiTS are understood, see `s1grits.translate`.

    Raises
    ------
    ConfigError
        If it has unknown keys or bad values; the message names each, with the nearest known key or the allowed values.
    """
    ours, notes = translate(values)
    try:
        config = Config.model_validate(ours)
    except ValidationError as error:
        problems = explain(error, Config)
        raise ConfigError(
            "the configuration cannot be used:\n" + "\n".join(f"  - {p}" for p in problems), "fix these and run again"
        ) from None
    config._translated.extend(notes)
    return config
