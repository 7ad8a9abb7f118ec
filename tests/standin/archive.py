"""What the servers of the tests hold: granules with their files, and granules by name alone."""

from __future__ import annotations

import csv
import gzip
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import shapely
from shapely.geometry import MultiPolygon, Polygon

from s1monthly.granule_names import layer_file, parse_granule_id, parse_layer_file, parse_static_file
from s1monthly.granules import Granule, Layer, StaticGranule
from s1monthly.grid.lattice import geobox_outline
from s1monthly.raster.fast_geotiff import open_header

DURATION = timedelta(seconds=3)
"""From begin to end of a granule's acquisition, as its record has it."""


@dataclass(frozen=True)
class Entry:
    """A granule of the archive.

    Attributes
    ----------
    granule : Granule or StaticGranule
        Layers have size and MD5 as in the record; the URL is the file on disk, and empty without one.
    number : int
        Of its CMR concept.
    footprint : Polygon or MultiPolygon
        In longitude and latitude, split at the antimeridian.
    jump : bool
        Its record has a footprint across the antimeridian as one polygon, not as several.
    """

    granule: Granule | StaticGranule
    number: int
    footprint: Polygon | MultiPolygon
    jump: bool = False

    @property
    def id(self) -> str:
        """The granule's name."""
        return self.granule.id

    @property
    def begin(self) -> datetime:
        """Begin of the acquisition, or of a static granule's validity, UTC."""
        if isinstance(self.granule, StaticGranule):
            return datetime.combine(self.granule.valid_from, time(), UTC)
        return self.granule.acquired

    @property
    def end(self) -> datetime:
        """End of the acquisition, UTC."""
        return self.begin if self.is_static else self.begin + DURATION

    @property
    def is_static(self) -> bool:
        """True for a static granule."""
        return isinstance(self.granule, StaticGranule)

    @property
    def polarizations(self) -> list[str]:
        """Names of the layers with power, co-polarized first; VV for a static granule, as in CMR."""
        if self.is_static:
            return ["VV"]
        return sorted((layer.name for layer in self.granule.layers if layer.name != "mask"), key="VV VH HH HV".index)


@dataclass
class Archive:
    """Granules by name; may be changed while servers serve it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(2_810_000_000), repr=False)

    def add(self, granule: Granule | StaticGranule, footprint: str = "", *, jump: bool = False) -> Entry:
        """Add a granule whose layers are files on disk, as `granules.write_granule` returns it.

        `footprint` is WKT in longitude and latitude; without it the outline of its raster. `jump`: see `Entry`.
        """
        outline = geobox_outline(open_header(granule.layers[0].url).geobox).wkt
        contents = [Path(layer.url).read_bytes() for layer in granule.layers]
        layers = [
            replace(layer, size=len(content), md5=hashlib.md5(content).hexdigest())
            for layer, content in zip(granule.layers, contents, strict=True)
        ]
        return self._add(granule, layers, footprint or outline, jump)

    def add_name(
        self, granule_id: str, footprint: str, layers: tuple[str, ...] = ("VV", "VH", "mask"), *, jump: bool = False
    ) -> Entry:
        """Add a granule by name: its record lists layers of made-up size and MD5, its files are not found."""
        sums = {name: hashlib.md5(f"{granule_id}{name}".encode()).hexdigest() for name in layers}
        made_up = [Layer(name, "", 7_000_000 + int(md5[:3], 16), md5) for name, md5 in sums.items()]
        return self._add(parse_granule_id(granule_id), made_up, footprint, jump)

    def add_list(self, table: Path) -> list[Entry]:
        """Add the granules of a table (csv.gz: granule, polarizations, footprint_wkt) by name."""
        with gzip.open(table, "rt", newline="") as rows:
            return [
                self.add_name(row["granule"], row["footprint_wkt"], (*row["polarizations"].split("+"), "mask"))
                for row in csv.DictReader(rows)
            ]

    def _add(self, granule: Granule | StaticGranule, layers: list[Layer], footprint: str, jump: bool) -> Entry:
        granule = replace(granule, layers=tuple(sorted(layers, key=lambda layer: layer.name)))
        if isinstance(granule, Granule):
            granule = replace(granule, footprint="")
        self.entries[granule.id] = entry = Entry(granule, next(self._numbers), shapely.from_wkt(footprint), jump)
        return entry

    def remove(self, granule_id: str) -> None:
        """Take a granule out."""
        del self.entries[granule_id]

    def find(self, file: str) -> tuple[str, bytes] | None:
        """Return the granule and the content of a layer's file, as it is on disk now; None without one."""
        granule_id, name = parse_layer_file(file) or parse_static_file(file) or ("", "")
        entry = self.entries.get(granule_id)
        layer = entry.granule.layer(name) if entry else None
        exact = layer is not None and layer.url and layer_file(granule_id, name) == file
        return (granule_id, Path(layer.url).read_bytes()) if layer and exact else None
