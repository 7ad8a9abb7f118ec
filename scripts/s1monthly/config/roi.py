"""Section roi: which tiles, directions, polarization and tracks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from s1monthly.config.fields import FolderPath, OneOrMore, Section, TileName, Track, checked_by, option, refusal
from s1monthly.model import TRACKS, Polarization, canonical_tracks


def _polygon(wkt: str) -> str:
    from s1monthly.grid.regions import read_region  # here: only a configuration with a polygon needs this slow import

    read_region(wkt)
    return wkt


Bounds = tuple[float, float, float, float]


@checked_by
def _box(bounds: Bounds) -> Bounds:
    from s1monthly.grid.regions import wkt_of_bounds

    wkt_of_bounds(*bounds)
    return bounds


class Roi(Section):
    """Where: a polygon or a list of tiles, flight direction(s) and polarization."""

    wkt: Annotated[str, AfterValidator(checked_by(_polygon))] | None = option(
        None,
        "POLYGON or MULTIPOLYGON in longitude and latitude (EPSG:4326); every tile it meets is processed",
        example="POLYGON((113.6 30.0, 114.9 30.0, 114.9 30.9, 113.6 30.9, 113.6 30.0))",
    )
    file: FolderPath | None = option(
        None,
        "Instead of wkt: file of polygons in any CRS: GeoJSON, GeoPackage, Shapefile, KML or GeoParquet",
        example="./area.gpkg",
    )
    layer: str | None = option(None, "Layer of the file, if several hold polygons", example="fields", min_length=1)
    filter: str | None = option(
        None, "Only features of the file of which this SQL expression is true", example="NAME = 'Fiji'", min_length=1
    )
    bbox: Annotated[Bounds, AfterValidator(_box)] | None = option(
        None,
        "Instead of wkt: west, south, east, north in degrees; west > east: across the antimeridian",
        example=[113.6, 30.0, 114.9, 30.9],
    )
    cover: Literal["all", "fewest"] = option(
        "all", "Tiles of the polygon: all that it meets, or the fewest that cover it"
    )
    manual_mgrs_tiles: OneOrMore[TileName] | None = option(
        None, "Tile names, instead of a polygon", example=["50RKV", "50RLV"]
    )
    flight_direction: OneOrMore[Literal["ASCENDING", "DESCENDING", "COMBINED"]] = option(
        ...,
        "ASCENDING, DESCENDING, COMBINED (both in one composite), or a list; each has its own cube",
        example="ASCENDING",
    )
    polarization: Polarization = option(Polarization.VV_VH, "Polarization pair; a granule must hold both layers")
    tracks: Annotated[OneOrMore[Track] | None, AfterValidator(canonical_tracks)] = option(
        None, f"Tracks (relative orbits) to use, 1 to {TRACKS}; all where not given", example=[137]
    )

    @model_validator(mode="after")
    def _has_region(self) -> Roi:
        given = [name for name in ("wkt", "file", "bbox") if getattr(self, name) is not None]
        if len(given) > 1:
            raise refusal("{given} contradict each other; give one of them", given=" and ".join(given))
        if not given and self.manual_mgrs_tiles is None:
            raise refusal("no region: give wkt, file, bbox or manual_mgrs_tiles")
        if self.file is None and (self.layer or self.filter):
            raise refusal("layer and filter go with file only")
        checked_by(_polygon_of)(self)
        return self

    @property
    def polygon(self) -> str | None:
        """Polygon of `wkt`, `file` or `bbox` as WKT in longitude and latitude; None if only tiles are named."""
        return _polygon_of(self)


def _polygon_of(roi: Roi) -> str | None:
    if roi.file:
        from s1monthly.grid.region_file import read_region_file  # it remembers what it read

        return read_region_file(roi.file, roi.layer, roi.filter)
    if roi.bbox:
        from s1monthly.grid.regions import wkt_of_bounds

        return wkt_of_bounds(*roi.bbox)
    return roi.wkt
