"""The record of a month: the JSON file that says what a month in the cube was made of, and what came out."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from s1monthly.errors import NameFormatError, ProductError
from s1monthly.files import write_text
from s1monthly.grid import GeoBox, geobox_outline, to_lonlat
from s1monthly.naming import parse_granule_id
from s1monthly.statistics import BandStatistics, CountStatistics, band_statistics, count_statistics, valid_outline
from s1monthly.vocabulary import (
    PASS_GAP,
    Burst,
    CompositeKey,
    Direction,
    Granule,
    Layer,
    Level,
    Month,
    Pass,
    Polarization,
    SetAside,
    Tile,
    passes_of,
)

SCHEMA = 1
"""Version of the record's layout; raised when a reader of the older one would misread it."""

COMPLETE, EMPTY = "complete", "empty"
"""Status of a month that was made: with valid pixels, or from granules without one valid pixel on the tile."""

PACKAGES = ("numba", "numpy", "pyproj", "rasterio", "shapely", "zarr")
"""Packages whose versions a record names."""

DECIMALS = 6
"""Decimals of a footprint's longitudes and latitudes: 0.1 m."""

SIMPLIFIED = 2e-5
"""Degrees by which a footprint may stray where vertices that hardly bend it are left out: 2 m."""


@dataclass(frozen=True)
class Record:
    """What a month was made of, and what came out.

    Attributes
    ----------
    key : CompositeKey
    level : Level
    polarization : Polarization
    grid : GeoBox
    granules : tuple of Granule
        Those used; places and footprints are not kept.
    set_aside : tuple of SetAside
        Those found and not used, with the reason.
    valid : int
        Pixels with a value; 0 for a month that is empty.
    count : CountStatistics
        Of the count of passes, over valid pixels.
    bands : mapping of str to BandStatistics
        In the order of the product.
    footprint : dict or None
        GeoJSON geometry of the valid data in longitude and latitude; None for a month that is empty.
    unread : tuple of str
        Ids of granules of that list that could not be read; they are tried again by the next run.
    granules_digest : str
        `ledger.GranuleList.digest` of the list that the month was made from.
    recipe : mapping
        `recipe.recipe`.
    recipe_digest : str
    software : mapping of str to str
        Package -> version.
    digest : str
        Of the values in the cube: SHA-256, 64 hexadecimal digits; see `cube.month_digest`.
    """

    key: CompositeKey
    level: Level
    polarization: Polarization
    grid: GeoBox
    granules: tuple[Granule, ...]
    set_aside: tuple[SetAside, ...]
    valid: int
    count: CountStatistics
    bands: Mapping[str, BandStatistics]
    footprint: Mapping[str, Any] | None
    unread: tuple[str, ...]
    granules_digest: str
    recipe: Mapping[str, Any]
    recipe_digest: str
    software: Mapping[str, str]
    digest: str

    @property
    def status(self) -> str:
        """`COMPLETE` or `EMPTY`."""
        return COMPLETE if self.valid else EMPTY

    @property
    def total(self) -> int:
        """Pixels of the grid."""
        return self.grid.width * self.grid.height

    @property
    def coverage(self) -> float:
        """Fraction of the grid's pixels that have a value, 0 to 1."""
        return self.valid / self.total

    @property
    def passes(self) -> list[Pass]:
        """The passes, by start."""
        return passes_of(self.granules)

    @property
    def tracks(self) -> list[int]:
        """Tracks (relative orbits), ascending."""
        return sorted({granule.burst.track for granule in self.granules})

    @property
    def platforms(self) -> list[str]:
        """Platforms as STAC names them, ``sentinel-1a`` and so on, in order."""
        return sorted({f"sentinel-{granule.platform[1:].lower()}" for granule in self.granules})

    @property
    def missing_granules(self) -> list[str]:
        """Ids of granules that are lost and whose acquisition no other granule brings: what the month lacks; sorted."""
        used: dict[Burst, list[datetime]] = {}
        for granule in self.granules:
            used.setdefault(granule.burst, []).append(granule.acquired)
        missing = set()
        for left_out in self.set_aside:
            if not left_out.lost:
                continue
            try:
                granule = parse_granule_id(left_out.granule_id)
            except NameFormatError:
                continue
            if all(abs(granule.acquired - other) > PASS_GAP for other in used.get(granule.burst, [])):
                missing.add(granule.id)
        return sorted(missing)

    @property
    def geometry(self) -> BaseGeometry:
        """Footprint in longitude and latitude; of an empty month the outline of its grid."""
        return shape(self.footprint) if self.footprint else tidy(geobox_outline(self.grid))

    def to_json(self) -> str:
        """Plain JSON, keys sorted, without any time of writing: the same month gives the same bytes."""
        content = {
            "schema": SCHEMA,
            "tile": str(self.key.tile),
            "direction": str(self.key.direction),
            "month": str(self.key.month),
            "status": self.status,
            "level": str(self.level),
            "polarization": str(self.polarization),
            "granules": [_granule_json(granule) for granule in self.granules],
            "set_aside": [{"id": s.granule_id, "reason": s.reason, "lost": s.lost} for s in self.set_aside],
            "passes": [_pass_json(pass_) for pass_ in self.passes],
            "grid": asdict(self.grid),
            "pixels": {"total": self.total, "valid": self.valid},
            "count": {**asdict(self.count), "histogram": {str(n): k for n, k in self.count.histogram.items()}},
            "bands": {name: {"index": i, **asdict(s)} for i, (name, s) in enumerate(self.bands.items(), 1)},
            "footprint": self.footprint,
            "unread": list(self.unread),
            "granules_digest": self.granules_digest,
            "recipe": self.recipe,
            "recipe_digest": self.recipe_digest,
            "software": dict(self.software),
            "digest": self.digest,
        }
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError, AttributeError, NameFormatError
            If the text is no record of this schema. `read_record` turns them into a ProductError that names the file.
        """
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, not {SCHEMA}")
        count = {**content["count"], "histogram": _histogram(content["count"]["histogram"])}
        bands = sorted(content["bands"].items(), key=lambda named: named[1]["index"])
        record = cls(
            key=CompositeKey(Tile(content["tile"]), Direction(content["direction"]), Month.parse(content["month"])),
            level=Level(content["level"]),
            polarization=Polarization(content["polarization"]),
            grid=GeoBox(**content["grid"]),
            granules=tuple(_granule(entry) for entry in content["granules"]),
            set_aside=tuple(SetAside(entry["id"], entry["reason"], entry["lost"]) for entry in content["set_aside"]),
            valid=content["pixels"]["valid"],
            count=CountStatistics(**count),
            bands={name: BandStatistics(**{k: v for k, v in s.items() if k != "index"}) for name, s in bands},
            footprint=content["footprint"],
            unread=tuple(content["unread"]),
            granules_digest=content["granules_digest"],
            recipe=content["recipe"],
            recipe_digest=content["recipe_digest"],
            software=content["software"],
            digest=content["digest"],
        )
        if (content["status"], content["pixels"]["total"]) != (record.status, record.total):
            raise ValueError("status or number of pixels contradicts the rest")
        if (record.footprint is None) != (record.valid == 0):
            raise ValueError("a footprint belongs to a month with valid pixels, and to no other")
        return record


def verified(
    record: Record, bands: Iterable[tuple[str, NDArray[np.float32]]]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Pass on what was read back of a month, band by band, where it is what the record says.

    Raises
    ------
    ProductError
        If a band's statistics are not those of the record: chunks of the cube were lost or changed.
    """
    for name, values in bands:
        found, told = band_statistics(values), record.bands.get(name)
        if found != told:
            raise ProductError(
                f"{record.key}: band {name} in the cube is not what the record says"
                f" ({found.valid} valid pixels, {told.valid if told else 'none'} in the record)",
                f"delete the record (months/{record.key.month}.json); the next run makes the month again",
            )
        yield name, values


@dataclass(frozen=True)
class Origin:
    """What a month was made from; see the attributes of the same names of `Record`."""

    granules: tuple[Granule, ...]
    set_aside: tuple[SetAside, ...]
    unread: tuple[str, ...]
    granules_digest: str
    recipe: Mapping[str, Any]
    recipe_digest: str
    software: Mapping[str, str]


def measure(
    key: CompositeKey,
    level: Level,
    polarization: Polarization,
    grid: GeoBox,
    values: Mapping[str, NDArray[np.float32]],
    count: NDArray[np.uint8],
    origin: Origin,
    digest: str,
) -> Record:
    """Make the record of a month from its values.

    Parameters
    ----------
    key : CompositeKey
    level : Level
    polarization : Polarization
    grid : GeoBox
    values : mapping of str to array (rows, columns), float32
        Every band, in the order of the product; NaN where no data.
    count : array (rows, columns), uint8
        Passes with a valid value; 0 just where the bands are NaN.
    origin : Origin
    digest : str
        Of the values in the cube.

    Raises
    ------
    ProductError
        If a band is not valid at just the pixels that the count says.
    """
    valid = count > 0
    for name, band in values.items():
        differing = int(np.count_nonzero(np.isnan(band) == valid))
        if differing:
            raise ProductError(
                f"{key}: band {name} and the count of passes disagree at {differing} pixels",
                "report this with the month's configuration: it is a fault of the software",
            )
    return Record(
        key=key,
        level=level,
        polarization=polarization,
        grid=grid,
        valid=int(np.count_nonzero(valid)),
        count=count_statistics(count),
        bands={name: band_statistics(band) for name, band in values.items()},
        footprint=footprint(valid, grid),
        digest=digest,
        **{name: getattr(origin, name) for name in Origin.__dataclass_fields__},
    )


def _granule_json(granule: Granule) -> dict[str, Any]:
    known = {layer.name: (layer.size if layer.size >= 0 else None, layer.md5 or None) for layer in granule.layers}
    layers = {name: {"size": size, "md5": md5} for name, (size, md5) in known.items()}
    return {"id": granule.id, "layers": layers, "mask": "mask" in layers}


def _granule(entry: Mapping[str, Any]) -> Granule:
    bare = parse_granule_id(entry["id"])
    layers = tuple(
        Layer(name, "", -1 if facts["size"] is None else facts["size"], facts["md5"] or "")
        for name, facts in entry["layers"].items()
    )
    return Granule(bare.burst, bare.acquired, bare.processed, bare.platform, bare.spacing, bare.version, layers=layers)


def _pass_json(pass_: Pass) -> dict[str, Any]:
    return {
        "name": pass_.name,
        "track": pass_.track,
        "platforms": sorted({granule.platform for granule in pass_.granules}),
        "start": f"{pass_.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{pass_.end:%Y-%m-%dT%H:%M:%SZ}",
        "bursts": len(pass_.granules),
    }


def _histogram(entries: Mapping[str, int]) -> dict[int, int]:
    return {passes: entries[str(passes)] for passes in sorted(map(int, entries))}


def software_versions(**others: str) -> dict[str, str]:
    """Versions of Python and `PACKAGES`, and of anything else that is given by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **others}


def write_record(path: str | Path, record: Record) -> None:
    """Write a record atomically; also where it says the same, so that its time of modification is that of the month."""
    write_text(path, record.to_json())


def read_record(path: str | Path) -> Record:
    """Read a record.

    Raises
    ------
    ProductError
        If the file is missing, damaged, or of another schema.
    """
    try:
        return Record.from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NameFormatError) as error:
        raise ProductError(
            f"{path}: record cannot be read ({type(error).__name__}: {error})", "delete it; the next run makes it again"
        ) from error


def footprint(mask: NDArray[np.bool_], grid: GeoBox) -> dict[str, Any] | None:
    """Outline of the valid data as a GeoJSON geometry in longitude and latitude, split at the antimeridian.

    It covers every valid pixel, to `SIMPLIFIED`; see `statistics.valid_outline`.

    Parameters
    ----------
    mask : array (rows, columns), bool
        True where valid, on `grid`.
    grid : GeoBox

    Returns
    -------
    dict or None
        Polygon or MultiPolygon with counter-clockwise exteriors; None where no pixel is valid.
    """
    rings = valid_outline(mask)
    if not rings:
        return None
    corner, scale = np.array([grid.left, grid.top]), np.array([grid.resolution, -grid.resolution])
    polygons = shapely.union_all([shapely.Polygon(corner + ring * scale) for ring in rings])
    return geojson(tidy(to_lonlat(polygons, grid.epsg)))


def tidy(geometry: BaseGeometry) -> BaseGeometry:
    """Simplify a polygon in longitude and latitude, round it, keep it valid, and turn exteriors counter-clockwise."""
    return shapely.orient_polygons(shapely.set_precision(geometry.simplify(SIMPLIFIED), 10.0**-DECIMALS))


def geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """GeoJSON geometry, coordinates as lists rounded to `DECIMALS`."""
    return {
        "type": geometry.geom_type,
        "coordinates": _rounded(mapping(geometry)["coordinates"]),
    }


def _rounded(coordinates: Any) -> Any:
    if isinstance(coordinates, float):
        return round(coordinates, DECIMALS)
    return [_rounded(part) for part in coordinates]


def lonlat_bounds(geometries: Iterable[BaseGeometry]) -> list[float] | None:
    """Bounding box west, south, east, north of geometries in longitude and latitude; None where there is none.

    Where one of them is split at the antimeridian the box crosses it too, and west is larger than east (RFC 7946,
    section 5.2): of all boxes that hold everything it is the narrowest.
    """
    geometries = list(geometries)
    parts = [part.bounds for geometry in geometries for part in shapely.get_parts(geometry)]
    if not parts:
        return None
    west, south = min(p[0] for p in parts), min(p[1] for p in parts)
    east, north = max(p[2] for p in parts), max(p[3] for p in parts)
    if any(geometry.bounds[0] <= -180 and geometry.bounds[2] >= 180 for geometry in geometries):
        reached, widest = -180.0, 0.0
        for left, _, right, _ in sorted(parts):
            if left - reached > widest:
                widest, east, west = left - reached, reached, left
            reached = max(reached, right)
    return [west, south, east, north]
