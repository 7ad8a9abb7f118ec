"""Section roi: which tiles, directions, polarization and tracks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from s1monthly.config.fields import OneOrMore, Section, TileName, Track, checked_by, option, refusal
from s1monthly.model import TRACKS, Direction, Polarization, canonical_tracks


def _polygon(wkt: str) -> str:
    from s1monthly.grid.regions import read_region  # here: only a configuration with a polygon needs this slow import

    read_region(wkt)
    return wkt


class Roi(Section):
    """Where: a polygon or a list of tiles, flight direction(s) and polarization."""

    wkt: Annotated[str, AfterValidator(checked_by(_polygon))] | None = option(
        None,
        "POLYGON or MULTIPOLYGON in longitude and latitude (EPSG:4326); every tile it meets is processed",
        example="POLYGON((113.6 30.0, 114.9 30.0, 114.9 30.9, 113.6 30.9, 113.6 30.0))",
    )
    manual_mgrs_tiles: OneOrMore[TileName] | None = option(
        None, "Tile names, instead of wkt", example=["50RKV", "50RLV"]
    )
    flight_direction: OneOrMore[Direction] = option(
        ..., "ASCENDING, DESCENDING, or a list of both; each has its own cube", example="ASCENDING"
    )
    polarization: Polarization = option(Polarization.VV_VH, "Polarization pair; a granule must hold both layers")
    tracks: Annotated[OneOrMore[Track] | None, AfterValidator(canonical_tracks)] = option(
        None, f"Tracks (relative orbits) to use, 1 to {TRACKS}; all where not given", example=[137]
    )

    @model_validator(mode="after")
    def _has_region(self) -> Roi:
        if self.wkt is None and self.manual_mgrs_tiles is None:
            raise refusal("no region: give either wkt or manual_mgrs_tiles")
        return self
