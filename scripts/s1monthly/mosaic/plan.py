"""Plan of a month's mosaics: which COGs belong together, in which order, on which grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from s1monthly.errors import GridError, ProductError
from s1monthly.grid.crs import degrees_a_unit, map_crs, metres_a_unit
from s1monthly.grid.lattice import LATTICE_TOLERANCE, GeoBox
from s1monthly.grid.outlines import is_torn, transformer
from s1monthly.kernels.options import INDEX_BANDS, RADIOMETRY
from s1monthly.layout import Layout, mosaic_name, parse_folder
from s1monthly.model import CompositeKey, Month, Polarization, Stack, Tile, TileDirection
from s1monthly.mosaic.likeness import likeness, radiometry_of, recipe_of
from s1monthly.raster.fast_geotiff import open_header
from s1monthly.raster.geotiff import open_dataset
from s1monthly.records.seal import read_summary
from s1monthly.records.search_log import read_answers
from s1monthly.workflow.commands import DIRECTIONS

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""

METRES_PER_DEGREE = 108_000
"""Converts pixels of 30 m to pixels of 1 arc-second, as in global elevation models."""

WEB_MERCATOR = 3857
_WEB_MERCATOR_WIDTH = 2 * math.pi * 6_378_137

LARGEST_SIDE = 2_000_000
"""Largest side of a mosaic in pixels: more than the whole globe has at 1 arc-second."""


@dataclass(frozen=True)
class Label:
    """Name, units and description of a band."""

    name: str
    units: str
    description: str


@dataclass(frozen=True)
class Cog:
    """A tile's COG of one month, or its COGs of single bands.

    Attributes
    ----------
    path : Path
        The file, or the first of several.
    labels : tuple of Label
        One for each band.
    level : str
        ARDC or hARDCp.
    digest : str
        Digest of the month's values that it was made from; empty if the file does not name it.
    files : tuple of Path
        File of each band where each has one; empty if one file holds all bands.
    recipe : mapping
        How the month was made; empty if the file does not say so.
    """

    key: CompositeKey
    path: Path
    geobox: GeoBox
    labels: tuple[Label, ...]
    level: str
    digest: str = ""
    files: tuple[Path, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def source(self, place: int) -> tuple[Path, int]:
        """Return the file of a band, and the band's number in it; `place` counts from 0."""
        return (self.files[place], 1) if self.files else (self.path, place + 1)


@dataclass(frozen=True)
class Mosaic:
    """The content of one mosaic file.

    Attributes
    ----------
    name : str
        File name without suffix.
    cogs : tuple of Cog
        In order of priority: a COG fills only pixels without a value from an earlier one. All have the same bands.
    bounds : tuple of Bounds
        Bounds of each COG in the CRS of the mosaic.
    """

    name: str
    geobox: GeoBox
    cogs: tuple[Cog, ...]
    bounds: tuple[Bounds, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        """Label of each band."""
        return self.cogs[0].labels

    @cached_property
    def tags(self) -> dict[str, str]:
        """Tags of the mosaic file."""
        month, stacks = self.cogs[0].key.month, sorted({cog.key.direction for cog in self.cogs})
        directions = list(dict.fromkeys(str(stack.pooled) for stack in stacks))
        tracks = [str(track) for track in sorted({stack.track for stack in stacks if stack.track})]
        radiometry = next((radiometry_of(cog.recipe) for cog in self.cogs if cog.recipe), RADIOMETRY)
        other = radiometry != RADIOMETRY
        return {
            "TITLE": f"Sentinel-1 monthly composites {' and '.join(stacks)} {month}"
            + (f", {radiometry.replace('_', ' ')}" if other else ""),
            **({"RADIOMETRY": radiometry} if other else {}),
            "MONTH": str(month),
            "DIRECTION": " ".join(directions),
            **({"TRACK": " ".join(tracks)} if tracks else {}),
            "MGRS_TILE": " ".join(sorted({str(cog.key.tile) for cog in self.cogs})),
            "PROCESSING_LEVEL": self.cogs[0].level,
        }

    @property
    def summary(self) -> str:
        """Number of COGs and grid, as a text for people."""
        number, box = len(self.cogs), self.geobox
        return f"{number} COG{'s' if number > 1 else ''}, {box.width} x {box.height} pixels, {box.crs}"

    def groups(self) -> Iterator[tuple[Cog, ...]]:
        """Yield the COGs of each direction (and track) and CRS, which share one lattice, by priority."""
        for _, group in groupby(self.cogs, key=lambda cog: (cog.key.direction, cog.geobox.epsg)):
            yield tuple(group)

    def native(self, group: Sequence[Cog]) -> bool:
        """Return True if a group lies on the mosaic's own lattice, so that nothing is resampled."""
        box = group[0].geobox
        return box.epsg == self.geobox.epsg and math.isclose(box.resolution, self.geobox.resolution, rel_tol=1e-9)

    def coarsening(self, group: Sequence[Cog]) -> float:
        """Return the mosaic's pixel size divided by that of a group's COGs."""
        return _metres_a_pixel(self.geobox) / _metres_a_pixel(group[0].geobox)


def epsg_code(text: str) -> int:
    """Read an EPSG code such as ``EPSG:3857`` or ``3857``.

    Raises
    ------
    GridError
        If the text is not an EPSG code, or its CRS is unknown or not one of maps.
    """
    code = text.upper().removeprefix("EPSG:")
    if not code.isdecimal():
        raise GridError(f"not an EPSG code: {text!r}", "give one such as EPSG:4326 or EPSG:3857")
    map_crs(int(code))
    return int(code)


def find_cogs(
    layout: Layout, month: Month, directions: str, prefix: str = "", tracks: Sequence[int] = ()
) -> tuple[list[Cog], list[str]]:
    """Find the COGs of a month in an output tree.

    Parameters
    ----------
    directions : str
        A key of `workflow.commands.DIRECTIONS`.
    prefix : str
        Prefix of the tile names; empty for all tiles.
    tracks : sequence of int
        Tracks whose own COGs are taken, by priority; empty for COGs in which all tracks are pooled.

    Returns
    -------
    cogs : list of Cog
        By priority: ascending first, then by track, CRS and tile.
    lacking : list of str
        One line for each reason why tiles and directions have no COG of the month, or one that does not match the
        month's record. A COG whose record is lost is used.

    Raises
    ------
    ProductError
        If the month has no COG, one cannot be read, or they do not fit together.
    """
    base = Path(layout.base_dir)
    wanted = [stack for pooled in DIRECTIONS[directions] for stack in _stacks(pooled, tracks)]
    folders = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    names = [parsed for name in folders if (parsed := parse_folder(name))]
    keys = [
        CompositeKey(Tile(tile), Stack.parse(direction), month)
        for tile, direction in names
        if direction in wanted and tile.startswith(prefix)
    ]
    cogs: list[Cog] = []
    lacking: dict[str, list[str]] = {}
    for key in keys:
        cog = _read_cogs(key, layout.of(key).existing_cogs())
        reason = _why_stale(layout, cog) if cog else _why_lacking(layout, key)
        if cog and not reason:
            cogs.append(cog)
        else:
            lacking.setdefault(reason, []).append(f"{key.tile} {key.direction}")
    if not cogs:
        reasons = "; ".join(f"{len(names)} {reason}" for reason, names in lacking.items())
        chosen = f"{month} {directions}" + (f", tiles {prefix}..." if prefix else "")
        chosen += f", track {' and '.join(map(str, tracks))}" if tracks else ""
        raise ProductError(
            f"{base}: no COG of {chosen}" + (f" ({reasons})" if reasons else ""),
            _tracks_there(keys, names, directions) or _months_there(layout, keys),
        )
    _refuse_mixture(cogs)
    lines = [f"{', '.join(names)}: {reason}" for reason, names in lacking.items()]
    return sorted(cogs, key=lambda cog: (wanted.index(cog.key.direction), cog.geobox.epsg, cog.key.tile)), lines


def _stacks(pooled: Stack, tracks: Sequence[int]) -> list[Stack]:
    """Return the tracks of a direction, of which COMBINED has none; the direction itself if no tracks are wanted."""
    flown = len(pooled.directions) == 1
    return [Stack.of(pooled, track) for track in tracks if flown] if tracks else [pooled]


def _tracks_there(keys: Sequence[CompositeKey], names: Sequence[tuple[str, str]], directions: str) -> str:
    """Return the remedy if no folder was chosen and tracks of these directions have some: name the tracks."""
    stacks = {Stack.parse(direction) for _, direction in names}
    there = sorted(stack.track for stack in stacks if stack.track and stack.pooled in DIRECTIONS[directions])
    return f"there are COGs of single tracks: --track {' '.join(map(str, there))}" if there and not keys else ""


def _read_cogs(key: CompositeKey, files: Mapping[str, Path]) -> Cog | None:
    """Read the COG of all bands or, if there is none, those of single bands, backscatter first; None without any."""
    if "cog" in files:
        return _checked(_read_cog(key, files["cog"]))
    if not files:
        return None
    order = [*(f"{layer}_dB" for pair in Polarization for layer in pair.layers), *INDEX_BANDS, *sorted(files)]
    parts = [_read_cog(key, files[band]) for band in dict.fromkeys(order) if band in files]
    first = parts[0]
    alike = all((part.digest, part.geobox) == (first.digest, first.geobox) for part in parts)
    labels, paths = tuple(part.labels[0] for part in parts), tuple(part.path for part in parts)
    return _checked(replace(first, labels=labels, files=paths, digest=first.digest if alike else ""))


def _read_cog(key: CompositeKey, path: Path) -> Cog:
    header = open_header(path)
    with open_dataset(path) as dataset:
        bands = zip(dataset.indexes, dataset.descriptions, dataset.units, strict=True)
        labels = [
            Label(name or "", units or "", dataset.tags(band).get("long_name", "")) for band, name, units in bands
        ]
        tags = dataset.tags()
    if header.nodata is None or not math.isnan(header.nodata):
        raise _foreign(path, labels, f", no data {header.nodata}")
    level, digest = tags.get("PROCESSING_LEVEL", ""), tags.get("DIGEST", "")
    return Cog(key, path, header.geobox, tuple(labels), level, digest, recipe=recipe_of(tags))


def _checked(cog: Cog) -> Cog:
    if polarization_of(cog.labels) is None:
        raise _foreign(cog.path, cog.labels)
    return cog


def _foreign(path: Path, labels: Sequence[Label], more: str = "") -> ProductError:
    return ProductError(
        f"raster {path}: not a COG of this product (bands {', '.join(label.name for label in labels)}{more})",
        "move it out of the output tree; the next run makes the tile's own COG again",
    )


def polarization_of(labels: Sequence[Label]) -> Polarization | None:
    """Return the polarization pair of the backscatter in the first two bands; None if they hold something else."""
    names = [label.name for label in labels[:2]]
    return next((pair for pair in Polarization if names == [f"{layer}_dB" for layer in pair.layers]), None)


def _why_stale(layout: Layout, cog: Cog) -> str:
    """Say why a COG does not show the month's current values; empty if it does, or if the record is lost."""
    record = Path(layout.of(cog.key).record)
    if not record.exists():
        return ""
    summary = read_summary(record)
    if summary is None:
        return "its record is damaged, or was altered: run the workflow, or catalog_rebuild"
    if summary.digest != cog.digest:
        return "left out, of other values than its record: run the workflow with output.formats.cog: true"
    return ""


def _why_lacking(layout: Layout, key: CompositeKey) -> str:
    place = layout.of(key)
    if Path(place.record).exists():
        return "made without one (output.formats.cog)"
    answer = read_answers(place.search)[1].get(key.month)
    if answer is None:
        return "not searched yet"
    if answer.granules:
        return "not made yet"
    return "without usable granules" if answer.lost else "without source data"


def _months_there(layout: Layout, keys: Sequence[CompositeKey]) -> str:
    """Return the remedy if a month has no COG: name the months that have some."""
    found = set()
    for key in keys:
        cog = Path(layout.of(TileDirection(key.tile, key.direction)).cog)
        before, after = cog.name.split("{month}")
        found |= {path.name[len(before) :][:7] for path in cog.parent.glob(f"{before}*{after}")}
    if not found:
        return "run the workflow with output.formats.cog: true, or give the --output-dir that holds its output"
    return (
        f"give one of the months that have COGs ({len(found)} from {min(found)} to {max(found)}), or run the workflow"
    )


def _refuse_mixture(cogs: Sequence[Cog]) -> None:
    """Raise an error if COGs differ in bands, quantity, level, pixel size, or in how values were made (`likeness`).

    How COGs without a recipe were made is not known: they go together with all others of their quantity.
    """
    first, known = cogs[0], next((cog for cog in cogs if cog.recipe), cogs[0])
    made = likeness(known.recipe)
    for cog in cogs:
        pairs = [(first, _traits(first), _traits(cog)), (known, made, likeness(cog.recipe))]
        compared = [(what, model, of[what], other) for model, of, others in pairs for what, other in others.items()]
        for what, model, one, other in compared:
            if one != other:
                raise ProductError(
                    f"COGs of {cog.key.month} do not go together: {what} {one} of {model.path.name},"
                    f" {other} of {cog.path.name}",
                    "choose tiles of one kind by --mgrs-prefix or --direction, or keep each kind in a tree of its own",
                )


def _traits(cog: Cog) -> dict[str, str]:
    """Return what must be equal in all COGs of a mosaic, whether their recipes are known or not."""
    return {
        "bands": ", ".join(label.name for label in cog.labels),
        "quantity": cog.labels[0].description.split(",")[0],
        "processing level": cog.level,
        "pixel size": f"{_metres_a_pixel(cog.geobox):g} m",
    }


def plan_mosaics(
    cogs: Sequence[Cog],
    directions: str,
    epsg: int | None,
    resolution: float | None = None,
    tracks: Sequence[int] = (),
) -> list[Mosaic]:
    """Plan the mosaics of a month's COGs.

    Parameters
    ----------
    cogs : sequence of Cog
        By priority, as from `find_cogs`.
    directions : str
        A key of `workflow.commands.DIRECTIONS`, for the file name.
    epsg : int or None
        EPSG code of the mosaic's CRS; None for one mosaic in each of the tiles' own CRSs.
    resolution : float, optional
        Pixel size in units of the mosaic's CRS; by default that of the COGs.
    tracks : sequence of int
        Tracks that were chosen, for the file name.

    Raises
    ------
    GridError
        If the CRS does not exist, a tile crosses its edge, or the grid would be too large.
    """
    own = sorted({cog.geobox.epsg for cog in cogs})
    mosaics = []
    for code in own if epsg is None else [epsg]:
        members = tuple(cog for cog in cogs if epsg is not None or cog.geobox.epsg == code)
        chosen = "_".join([directions, *(f"T{track:03d}" for track in tracks)])
        name = mosaic_name((cog.key.tile for cog in members), members[0].key.month, chosen, epsg)
        size = resolution or _native_resolution(members[0].geobox, code)
        bounds = _side_by_side([_bounds_in(cog, code) for cog in members], _period(code))
        mosaics.append(Mosaic(name, covering_grid(bounds, code, size), members, tuple(bounds)))
    return mosaics


def _metres(epsg: int) -> float:
    """Return the metres in a unit of a CRS; a degree counts as `METRES_PER_DEGREE`."""
    degrees = degrees_a_unit(epsg)
    return metres_a_unit(epsg) if degrees is None else METRES_PER_DEGREE * degrees


def _metres_a_pixel(box: GeoBox) -> float:
    return box.resolution * _metres(box.epsg)


def _native_resolution(box: GeoBox, epsg: int) -> float:
    return box.resolution if box.epsg == epsg else _metres_a_pixel(box) / _metres(epsg)


def _period(epsg: int) -> float | None:
    """Return the width of the globe in a CRS whose x axis wraps around it; None for any other."""
    degrees = degrees_a_unit(epsg)
    if degrees is not None:
        return 360 / degrees
    return _WEB_MERCATOR_WIDTH if epsg == WEB_MERCATOR else None


def _bounds_in(cog: Cog, epsg: int) -> Bounds:
    """Return the bounds of a COG in another CRS; across the antimeridian x continues beyond 180 degrees."""
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
    """Shift bounds by whole turns to make them adjacent, if tiles lie on both sides of 180 degrees."""
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
    """Return the number of turns that move the middle of bounds into the turn that begins at `start`."""
    return -math.floor((bounds[0] + bounds[2]) / 2 / period - start)


def covering_grid(bounds: Sequence[Bounds], epsg: int, resolution: float) -> GeoBox:
    """Return the grid that contains all bounds; its corner is a multiple of the resolution, so that grids nest.

    Raises
    ------
    GridError
        If the grid would be too large.
    """
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
