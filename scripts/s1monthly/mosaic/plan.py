"""Mosaics of the COGs of a month: which belong together, which comes first, and on what grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
import shapely

from s1monthly.errors import GridError, ProductError
from s1monthly.grid.crs import degrees_a_unit, map_crs, metres_a_unit
from s1monthly.grid.lattice import LATTICE_TOLERANCE, GeoBox
from s1monthly.grid.outlines import is_torn, transformer
from s1monthly.layout import Layout, mosaic_name, parse_folder
from s1monthly.model import CompositeKey, Direction, Month, Polarization, Tile
from s1monthly.raster.geotiff import open_dataset
from s1monthly.raster.geotiff_header import open_header
from s1monthly.records.seal import read_made
from s1monthly.records.search_log import read_answers
from s1monthly.workflow.commands import DIRECTIONS

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""

METRES_PER_DEGREE = 108_000
"""Turns pixels of 30 m into pixels of 1 arc-second, as global elevation models have them."""

WEB_MERCATOR = 3857
_WEB_MERCATOR_WIDTH = 2 * math.pi * 6_378_137

LARGEST_SIDE = 2_000_000
"""Pixels a side beyond which a mosaic is refused: more than the whole globe has in pixels of 1 arc-second."""


@dataclass(frozen=True)
class Label:
    """What a band is called: name, units, and one line for people."""

    name: str
    units: str
    description: str


@dataclass(frozen=True)
class Cog:
    """A tile's COG of one month.

    Attributes
    ----------
    key : CompositeKey
    path : Path
    geobox : GeoBox
    labels : tuple of Label
        One a band.
    level : str
        ARDC or hARDCp.
    digest : str
        Of the values of its month that it was made of; empty where it does not say.
    """

    key: CompositeKey
    path: Path
    geobox: GeoBox
    labels: tuple[Label, ...]
    level: str
    digest: str = ""


@dataclass(frozen=True)
class Mosaic:
    """What is to be written into one file.

    Attributes
    ----------
    name : str
        File name without suffix.
    geobox : GeoBox
        Grid of the mosaic.
    cogs : tuple of Cog
        By priority: where the earlier has a value, the later is not seen. All have the same bands.
    bounds : tuple of Bounds
        Of each COG, in the CRS of the mosaic.
    """

    name: str
    geobox: GeoBox
    cogs: tuple[Cog, ...]
    bounds: tuple[Bounds, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        """One a band."""
        return self.cogs[0].labels

    @cached_property
    def tags(self) -> dict[str, str]:
        """What the file says of itself."""
        month, directions = self.cogs[0].key.month, sorted({str(cog.key.direction) for cog in self.cogs})
        return {
            "TITLE": f"Sentinel-1 monthly composites {' and '.join(directions)} {month}",
            "MONTH": str(month),
            "DIRECTION": " ".join(directions),
            "MGRS_TILE": " ".join(sorted({str(cog.key.tile) for cog in self.cogs})),
            "PROCESSING_LEVEL": self.cogs[0].level,
        }

    @property
    def summary(self) -> str:
        """How many COGs it is made of, and its grid, for people."""
        number, box = len(self.cogs), self.geobox
        return f"{number} COG{'s' if number > 1 else ''}, {box.width} x {box.height} pixels, {box.crs}"

    def groups(self) -> Iterator[tuple[Cog, ...]]:
        """COGs of one direction and CRS, by priority: they lie on one lattice."""
        for _, group in groupby(self.cogs, key=lambda cog: (cog.key.direction, cog.geobox.epsg)):
            yield tuple(group)

    def native(self, group: Sequence[Cog]) -> bool:
        """Whether the COGs of a group lie on the mosaic's own lattice: nothing is resampled."""
        box = group[0].geobox
        return box.epsg == self.geobox.epsg and math.isclose(box.resolution, self.geobox.resolution, rel_tol=1e-9)

    def coarsening(self, group: Sequence[Cog]) -> float:
        """Pixels of a group's COGs, a side, that come to one of the mosaic."""
        return _metres_a_pixel(self.geobox) / _metres_a_pixel(group[0].geobox)


def epsg_code(text: str) -> int:
    """Read ``EPSG:3857``, or the number alone.

    Raises
    ------
    GridError
        If the text is no EPSG code, or there is no such CRS, or it is none of maps.
    """
    code = text.upper().removeprefix("EPSG:")
    if not code.isdecimal():
        raise GridError(f"not an EPSG code: {text!r}", "give one such as EPSG:4326 or EPSG:3857")
    map_crs(int(code))
    return int(code)


def find_cogs(layout: Layout, month: Month, directions: str, prefix: str = "") -> tuple[list[Cog], list[str]]:
    """Find the COGs of a month in an output tree.

    Parameters
    ----------
    layout : Layout
    month : Month
    directions : str
        A key of `commands.DIRECTIONS`.
    prefix : str
        Beginning of the tiles' names; all where empty.

    Returns
    -------
    cogs : list of Cog
        By priority: ascending first, then by CRS and tile.
    lacking : list of str
        One line for each reason why tiles and directions of the tree have no COG of the month, or one of other values
        than the month has now, naming them. (A COG whose record is lost is taken: nothing speaks against it.)

    Raises
    ------
    ProductError
        If there is no COG of the month, if one cannot be read, or if they do not go together.
    """
    base, wanted = Path(layout.base_dir), DIRECTIONS[directions]
    folders = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    names = [parsed for name in folders if (parsed := parse_folder(name))]
    keys = [
        CompositeKey(Tile(tile), Direction(direction), month)
        for tile, direction in names
        if direction in wanted and tile.startswith(prefix)
    ]
    cogs: list[Cog] = []
    lacking: dict[str, list[str]] = {}
    for key in keys:
        path = Path(layout.cog.format(tile=key.tile, direction=key.direction, month=month))
        cog = _read_cog(key, path) if path.is_file() else None
        reason = _why_stale(layout, cog) if cog else _why_lacking(layout, key)
        if cog and not reason:
            cogs.append(cog)
        else:
            lacking.setdefault(reason, []).append(f"{key.tile} {key.direction}")
    if not cogs:
        told = "; ".join(f"{len(names)} {reason}" for reason, names in lacking.items())
        raise ProductError(
            f"{base}: no COG of {month} {directions}{f', tiles {prefix}...' if prefix else ''}{told and f' ({told})'}",
            _months_there(layout, keys),
        )
    _refuse_mixture(cogs)
    lines = [f"{', '.join(names)}: {reason}" for reason, names in lacking.items()]
    return sorted(cogs, key=lambda cog: (wanted.index(cog.key.direction), cog.geobox.epsg, cog.key.tile)), lines


def _read_cog(key: CompositeKey, path: Path) -> Cog:
    header = open_header(path)
    with open_dataset(path) as dataset:
        bands = zip(dataset.indexes, dataset.descriptions, dataset.units, strict=True)
        labels = [
            Label(name or "", units or "", dataset.tags(band).get("long_name", "")) for band, name, units in bands
        ]
        tags = dataset.tags()
    if polarization_of(labels) is None or header.nodata is None or not math.isnan(header.nodata):
        raise ProductError(
            f"raster {path}: not a COG of this product (bands {', '.join(label.name for label in labels)},"
            f" no data {header.nodata})",
            "move it out of the output tree; the next run makes the tile's own COG again",
        )
    return Cog(key, path, header.geobox, tuple(labels), tags.get("PROCESSING_LEVEL", ""), tags.get("DIGEST", ""))


def polarization_of(labels: Sequence[Label]) -> Polarization | None:
    """Polarization pair whose backscatter the first two bands hold; None where they hold something else."""
    names = [label.name for label in labels[:2]]
    return next((pair for pair in Polarization if names == [f"{layer}_dB" for layer in pair.layers]), None)


def _why_stale(layout: Layout, cog: Cog) -> str:
    """Say why a COG does not show the values that its month has now; empty where it does, or the record is lost."""
    place = {"tile": cog.key.tile, "direction": cog.key.direction, "month": cog.key.month}
    record = Path(layout.record.format(**place))
    if not record.exists():
        return ""
    made = read_made(record)
    if made is None:
        return "its record is damaged, or was altered: run the workflow, or catalog_rebuild"
    if made.digest != cog.digest:
        return "left out, of other values than its record: run the workflow with output.formats.cog: true"
    return ""


def _why_lacking(layout: Layout, key: CompositeKey) -> str:
    place = {"tile": key.tile, "direction": key.direction, "month": key.month}
    if Path(layout.record.format(**place)).exists():
        return "made without one (output.formats.cog)"
    answer = read_answers(layout.search.format(**place))[1].get(key.month)
    if answer is None:
        return "not searched yet"
    if answer.granules:
        return "not made yet"
    return "without usable granules" if answer.lost else "without source data"


def _months_there(layout: Layout, keys: Sequence[CompositeKey]) -> str:
    """Remedy where a month has no COG: the months that have some."""
    pattern = Path(layout.cog).name
    found = set()
    for key in keys:
        before, after = pattern.format(tile=key.tile, direction=key.direction, month="\n").split("\n")
        folder = Path(layout.cog.format(tile=key.tile, direction=key.direction, month="")).parent
        found |= {path.name[len(before) : -len(after)] for path in folder.glob(f"{before}*{after}")}
    if not found:
        return "run the workflow with output.formats.cog: true, or give the --output-dir that holds its output"
    return (
        f"give one of the months that have COGs ({len(found)} from {min(found)} to {max(found)}), or run the workflow"
    )


def _refuse_mixture(cogs: Sequence[Cog]) -> None:
    """Refuse COGs with other bands, level or pixels than the first."""
    first = cogs[0]
    for cog in cogs:
        for what, held, other in (
            ("bands", *(", ".join(label.name for label in one.labels) for one in (first, cog))),
            ("processing level", first.level, cog.level),
            ("pixel size", *(f"{_metres_a_pixel(one.geobox):g} m" for one in (first, cog))),
        ):
            if held != other:
                raise ProductError(
                    f"COGs of {cog.key.month} do not go together: {what} {held} of {first.path.name},"
                    f" {other} of {cog.path.name}",
                    "choose tiles of one kind by --mgrs-prefix or --direction, or keep each kind in a tree of its own",
                )


def plan_mosaics(
    cogs: Sequence[Cog], directions: str, epsg: int | None, resolution: float | None = None
) -> list[Mosaic]:
    """Lay out the mosaics of a month's COGs.

    Parameters
    ----------
    cogs : sequence of Cog
        By priority, as `find_cogs` gives them.
    directions : str
        A key of `commands.DIRECTIONS`, for the file name.
    epsg : int or None
        EPSG code of the mosaic's CRS; None: the tiles' own, one mosaic for each.
    resolution : float, optional
        Pixel size in units of the mosaic's CRS; that of the COGs where not given.

    Raises
    ------
    GridError
        If there is no such CRS, a tile lies across its edge, or the grid would be larger than any use.
    """
    own = sorted({cog.geobox.epsg for cog in cogs})
    mosaics = []
    for code in own if epsg is None else [epsg]:
        members = tuple(cog for cog in cogs if epsg is not None or cog.geobox.epsg == code)
        name = mosaic_name((cog.key.tile for cog in members), members[0].key.month, directions, epsg)
        size = resolution or _native_resolution(members[0].geobox, code)
        bounds = _side_by_side([_bounds_in(cog, code) for cog in members], _period(code))
        mosaics.append(Mosaic(name, _covering_grid(bounds, code, size), members, tuple(bounds)))
    return mosaics


def _metres(epsg: int) -> float:
    """Metres that a unit of a CRS counts for, a degree as `METRES_PER_DEGREE`."""
    degrees = degrees_a_unit(epsg)
    return metres_a_unit(epsg) if degrees is None else METRES_PER_DEGREE * degrees


def _metres_a_pixel(box: GeoBox) -> float:
    return box.resolution * _metres(box.epsg)


def _native_resolution(box: GeoBox, epsg: int) -> float:
    return box.resolution if box.epsg == epsg else _metres_a_pixel(box) / _metres(epsg)


def _period(epsg: int) -> float | None:
    """Width of the globe in a CRS whose x runs round it; None for any other."""
    degrees = degrees_a_unit(epsg)
    if degrees is not None:
        return 360 / degrees
    return _WEB_MERCATOR_WIDTH if epsg == WEB_MERCATOR else None


def _bounds_in(cog: Cog, epsg: int) -> Bounds:
    """Bounds of a COG in another CRS; across the antimeridian x runs on beyond 180 degrees."""
    box = cog.geobox
    if box.epsg == epsg:
        return box.bounds
    outline = shapely.box(*box.bounds).exterior
    points = shapely.get_coordinates(shapely.segmentize(outline, outline.length / 512))
    x, y = transformer(box.epsg, epsg).transform(points[:, 0], points[:, 1])
    period, finite = _period(epsg), bool(np.isfinite(x).all() and np.isfinite(y).all())
    if finite and period:
        x = np.unwrap(x, period=period)
    if not finite or is_torn(x, y):
        raise GridError(
            f"tile {cog.key.tile}: lies beyond or across the edge of EPSG:{epsg}",
            "give a --crs that covers all tiles, --keep-utm, or fewer tiles by --mgrs-prefix",
        )
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _side_by_side(bounds: Sequence[Bounds], period: float | None) -> list[Bounds]:
    """Shift bounds by whole turns so that all lie together: of tiles on both sides of 180 degrees none lies at -180."""
    if not period:
        return list(bounds)
    centred, eastern = (
        [(b[0] + turn, b[1], b[2] + turn, b[3]) for b in bounds for turn in [period * _turns(b, period, start)]]
        for start in (-0.5, 0.0)
    )

    def width(moved: list[Bounds]) -> float:
        return max(b[2] for b in moved) - min(b[0] for b in moved)

    return eastern if width(eastern) < width(centred) - 1e-9 * period else centred


def _turns(bounds: Bounds, period: float, start: float) -> int:
    """Turns that bring the middle of bounds into the one turn that begins at `start`."""
    return -math.floor((bounds[0] + bounds[2]) / 2 / period - start)


def _covering_grid(bounds: Sequence[Bounds], epsg: int, resolution: float) -> GeoBox:
    """Return the grid that holds all bounds; its corner is a multiple of the resolution, so that mosaics nest."""
    left, bottom = (min(b[side] for b in bounds) for side in (0, 1))
    right, top = (max(b[side] for b in bounds) for side in (2, 3))
    slack = LATTICE_TOLERANCE
    first_column, last_column = math.floor(left / resolution + slack), math.ceil(right / resolution - slack)
    first_row, last_row = math.floor(bottom / resolution + slack), math.ceil(top / resolution - slack)
    width, height = last_column - first_column, last_row - first_row
    if max(width, height) > LARGEST_SIDE:
        raise GridError(
            f"pixels of {resolution:g} in EPSG:{epsg} make a mosaic of {height} x {width}",
            "give --resolution in units of the CRS, fewer tiles by --mgrs-prefix, or --keep-utm",
        )
    return GeoBox(epsg, resolution, first_column * resolution, last_row * resolution, width, height)
