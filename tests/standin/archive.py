"""What the servers of the tests hold: granules with their files, and granules by name alone."""

from __future__ import annotations

import csv
import gzip
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import rasterio
import shapely
from shapely.geometry import MultiPolygon, Polygon

from s1monthly.grid.lattice import GeoBox, geobox_outline
from s1monthly.layout import layer_file, parse_granule_id
from s1monthly.model import Granule, Layer

DURATION = timedelta(seconds=3)
"""From begin to end of a granule's acquisition, as its record has it."""


@dataclass(frozen=True)
class HeldFile:
    """A file of a granule as its record lists it; `path` is None where there is no content."""

    name: str
    size: int
    md5: str
    path: Path | None = None

    def content(self) -> bytes | None:
        """What is served: the file as it is on disk now, whatever size and MD5 say."""
        return None if self.path is None else self.path.read_bytes()


@dataclass(frozen=True)
class Entry:
    """A granule of the archive.

    Attributes
    ----------
    granule : Granule
        Without a place of its layers.
    number : int
        Of its CMR concept.
    footprint : Polygon or MultiPolygon
        In longitude and latitude, split at the antimeridian.
    files : tuple of HeldFile
        In the order of the record.
    jump : bool
        Its record has a footprint across the antimeridian as one polygon, not as several.
    """

    granule: Granule
    number: int
    footprint: Polygon | MultiPolygon
    files: tuple[HeldFile, ...]
    jump: bool = False

    @property
    def id(self) -> str:
        """The granule's name."""
        return self.granule.id

    @property
    def begin(self) -> datetime:
        """Begin of the acquisition, UTC."""
        return self.granule.acquired

    @property
    def end(self) -> datetime:
        """End of the acquisition, UTC."""
        return self.granule.acquired + DURATION

    @property
    def polarizations(self) -> list[str]:
        """Names of the layers with power, co-polarized first."""
        return sorted((layer.name for layer in self.granule.layers if layer.name != "mask"), key="VV VH HH HV".index)


@dataclass
class Archive:
    """Granules by name; may be changed while servers serve it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2_810_000_000), repr=False)

    def add(self, granule: Granule, footprint: str = "", *, jump: bool = False) -> Entry:
        """Add a granule whose layers are files on disk, as `granules.write_granule` returns it.

        `footprint` is WKT in longitude and latitude; without it the outline of its raster. `jump`: see `Entry`.
        """
        paths = {layer.name: Path(layer.url) for layer in granule.layers}
        outline = shapely.from_wkt(footprint) if footprint else raster_outline(next(iter(paths.values())))
        held = []
        for name, path in paths.items():
            content = path.read_bytes()
            md5 = hashlib.md5(content).hexdigest()
            held.append(HeldFile(layer_file(granule.id, name), len(content), md5, path))
        return self._add(granule, tuple(paths), outline, held, jump)

    def add_name(
        self, granule_id: str, footprint: str, layers: tuple[str, ...] = ("VV", "VH", "mask"), *, jump: bool = False
    ) -> Entry:
        """Add a granule by name: its record lists layers of made-up size and MD5, its files are not found."""
        held = [_made_up(layer_file(granule_id, name), 50_000 if name == "mask" else 7_000_000) for name in layers]
        return self._add(parse_granule_id(granule_id), layers, shapely.from_wkt(footprint), held, jump)

    def add_list(self, table: Path) -> list[Entry]:
        """Add the granules of a table (csv.gz: granule, polarizations, footprint_wkt) by name."""
        with gzip.open(table, "rt", newline="") as rows:
            return [
                self.add_name(row["granule"], row["footprint_wkt"], (*row["polarizations"].split("+"), "mask"))
                for row in csv.DictReader(rows)
            ]

    def _add(
        self,
        granule: Granule,
        layers: tuple[str, ...],
        footprint: Polygon | MultiPolygon,
        held: list[HeldFile],
        jump: bool,
    ) -> Entry:
        files = (_made_up(f"{granule.id}.h5", 100_000), *sorted(held, key=lambda file: file.name))
        bare = replace(granule, layers=tuple(Layer(name, url="") for name in layers), footprint="")
        self.entries[granule.id] = entry = Entry(bare, next(self._numbers), footprint, files, jump)
        return entry

    def remove(self, granule_id: str) -> None:
        """Take a granule out."""
        del self.entries[granule_id]

    def find(self, file_name: str) -> tuple[Entry, HeldFile] | None:
        """Return the file of that name and its granule."""
        for entry in list(self.entries.values()):
            if file_name.startswith(entry.id):
                for file in entry.files:
                    if file.name == file_name:
                        return entry, file
        return None


def _made_up(name: str, size: int) -> HeldFile:
    md5 = hashlib.md5(name.encode()).hexdigest()
    return HeldFile(name, size + int(md5[:3], 16), md5)


def raster_outline(path: Path) -> Polygon | MultiPolygon:
    """Outline of a raster in longitude and latitude."""
    with rasterio.open(path) as source:
        transform, epsg = source.transform, source.crs.to_epsg()
        return geobox_outline(GeoBox(epsg, transform.a, transform.c, transform.f, source.width, source.height))
