"""A small output tree that is true in every part, and a stand-in for the workflow that makes what it lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog import update as cataloguing
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.document import write_document
from s1monthly.catalog.lineage import output_bands, processing_tags
from s1monthly.config.root import load_config
from s1monthly.cube import months as cube
from s1monthly.cube.axis import prepare
from s1monthly.cube.header import Status, cached_header
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.granules import Granule, GranuleList
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey, Direction
from s1monthly.raster.cog import write_cog
from s1monthly.raster.writing import write_preview
from s1monthly.records.granule_list import list_digest, read_granule_list, write_granule_list
from s1monthly.records.month import Origin, read_record, software_versions, verified, write_record
from s1monthly.records.recipe import digest, recipe
from s1monthly.records.record_builder import build_record
from s1monthly.records.search_log import Answer, write_answers
from support.month_samples import CALIFORNIA, granule

COARSE = 600.0
"""Resolution of the months of a `SmallTree`, metres: 183 x 183 pixels, in 3 x 3 chunks."""
SIDE = 64
"""Rows and columns of a chunk."""

STEPS = ("cube", "record", "cog", "preview", "item", "tile_catalog", "catalog", "collection")
"""What is written of a month, in the order of the rules."""


class SmallTree:
    """A true output tree of coarse months, written as the rules write it, step by step.

    Attributes
    ----------
    base : Path
    months : dict of CompositeKey to int
        Every month, and how often its granules have changed: other values each time.
    overviews : tuple of int
        Factors of the cubes' overviews.
    """

    def __init__(self, base: Path, overviews: tuple[int, ...] = ()) -> None:
        self.base, self.overviews = base, overviews
        self.layout = Layout(str(base), str(base / "work"))
        self.months: dict[CompositeKey, int] = {}
        self.config = load_config(
            {
                "roi": {"manual_mgrs_tiles": [CALIFORNIA], "flight_direction": "ASCENDING"},
                "time": {"start": "2021-11", "end": "2021-12"},
                "output": {"base_dir": str(base)},
                "source": {"kind": "asf"},
                "processing": {"target_resolution": COARSE},
            }
        )
        self.recipe = recipe(self.config)

    def add(self, month: str, tile: str = CALIFORNIA, direction: str = "ASCENDING") -> CompositeKey:
        """Let a month have granules, or other ones than before; the search has found them."""
        key = CompositeKey.parse(tile, direction, month)
        self.months[key] = self.months.get(key, -1) + 1
        self.search(key)
        return key

    def search(self, key: CompositeKey) -> None:
        """Write the list of a month's granules and the search log for its tile and direction."""
        mine = [other for other in self.months if (other.tile, other.direction) == (key.tile, key.direction)]
        lists = {other.month: GranuleList(self.granules(other), ()) for other in mine}
        write_granule_list(self.path("granules", key), GranuleList(self.granules(key)))
        asked = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
        answers = {month: Answer.of(found, asked, "") for month, found in lists.items()}
        without = min(other.month for other in mine).shift(-1)
        answers[without] = Answer.of(GranuleList((), ()), asked, "")
        write_answers(self.path("search", key), {"tracks": None}, answers)

    def granules(self, key: CompositeKey) -> tuple[Granule, ...]:
        """Granules of a month: one a pass, and one more for each change."""
        track, number = (137, 292318) if key.direction is Direction.ASCENDING else (144, 308009)
        days = range(2, 8 + 6 * self.months[key], 6)
        return tuple(granule(key.month.start + timedelta(days=day, hours=2), number, track) for day in days)

    def path(self, kind: str, key: CompositeKey) -> Path:
        """Where a file of a month, or of its tile, lies; `kind` is a pattern of the layout."""
        return Path(
            getattr(self.layout, kind).format(tile=key.tile, direction=key.direction, month=key.month, slots="")
        )

    def values(self, key: CompositeKey) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Bands and count of a month."""
        grid = tile_geobox(key.tile, COARSE)
        rows, columns = np.mgrid[: grid.height, : grid.width]
        level = 0.05 + 0.01 * (key.month.ordinal % 12) + 0.1 * self.months[key]
        co = (level * (1 + rows / grid.height)).astype(np.float32)
        co[columns + 0.2 * rows > 0.8 * grid.width] = np.nan
        cross = co * (0.1 + 0.2 * columns / grid.width).astype(np.float32)
        count = np.where(np.isfinite(co), len(self.granules(key)), 0).astype(np.uint8)
        return {band.name: band.formula(co, cross) for band in bands("VV", "VH")}, count

    def make(self, key: CompositeKey, *steps: str) -> None:
        """Write so much of a month; everything where no step is named."""
        for step in steps or STEPS:
            getattr(self, f"_write_{step}")(key)

    def spec(self, key: CompositeKey) -> CubeSpec:
        """What a month's cube is made of."""
        grid, made_of = tile_geobox(key.tile, COARSE), bands("VV", "VH")
        return CubeSpec(key.tile, key.direction, grid, made_of, (SIDE, SIDE), self.recipe, self.overviews)

    def _write_cube(self, key: CompositeKey) -> None:
        mine = [other.month for other in self.months if (other.tile, other.direction) == (key.tile, key.direction)]
        prepare(self.path("cube", key), self.spec(key), min(mine), max(mine))
        write_month(self.path("cube", key), key.month, *self.values(key))

    def _write_record(self, key: CompositeKey) -> None:
        listed = read_granule_list(self.path("granules", key))
        origin = Origin(
            granules=listed.granules,
            set_aside=listed.set_aside,
            unread=(),
            granules_digest=list_digest(listed),
            recipe=self.recipe,
            recipe_digest=digest(self.recipe),
            software=software_versions(s1monthly="0.1.0"),
        )
        values, count = self.values(key)
        record = build_record(
            key,
            self.config.processing.level,
            self.config.roi.polarization,
            tile_geobox(key.tile, COARSE),
            values.items(),
            count,
            origin,
            cube.month_digest(self.path("cube", key), key.month),
        )
        write_record(self.path("record", key), record)

    def _write_cog(self, key: CompositeKey) -> None:
        record = read_record(self.path("record", key))
        write_cog(
            self.path("cog", key),
            (values for _, values in verified(record, cube.read_bands(self.path("cube", key), key.month))),
            record.grid,
            output_bands(record),
            tags=processing_tags(record),
            block_size=SIDE,
            known=list(record.bands.values()),
        )

    def _write_preview(self, key: CompositeKey) -> None:
        record, store = read_record(self.path("record", key)), self.path("cube", key)
        shown = (cube.read_month(store, key.month, name) for name in ("VV_dB", "VH_dB", "Ratio"))
        write_preview(self.path("preview", key), *shown, record.grid)

    def _write_item(self, key: CompositeKey) -> None:
        record, folder = read_record(self.path("record", key)), self.path("folder", key)
        files = {kind: asset_file(self.path(kind, key), folder) for kind in ("record", "cog")}
        files["zarr"] = asset_file(self.path("cube", key), folder)
        files["preview"] = preview_file(self.path("preview", key), folder, record.grid)
        write_document(self.path("item", key), stac.item(record, files))

    def _write_tile_catalog(self, key: CompositeKey) -> None:
        cataloguing.catalog_tile(self.path("folder", key))

    def _write_catalog(self, key: CompositeKey) -> None:
        with cataloguing.catalog_lock(self.path("catalog", key)):  # the rule's work, as if killed before the Collection
            catalog.write_catalog(self.path("catalog", key), catalog.global_rows(self.base))

    def _write_collection(self, key: CompositeKey) -> None:
        cataloguing.catalog_all(self.base)

    def run(self) -> None:
        """Do what a run of the workflow does: make what is missing, out of step, or older than what it is made of."""
        for key in self.months:
            if not self.path("search", key).exists():
                self.search(key)
            if not self._in_step(key):
                self.make(key, "cube", "record")
            sources = {"cog": ["record"], "preview": ["record"], "item": ["record", "cog", "preview"]}
            for step, needed in sources.items():
                self._write_if_older(step, key, [self.path(kind, key) for kind in needed])
        for key in self.months:
            items = [
                self.path("item", other)
                for other in self.months
                if self.path("folder", other) == self.path("folder", key)
            ]
            if self._older(self.path("tile_catalog", key), items) or not self.path("tile_items", key).exists():
                self.make(key, "tile_catalog")
        tables = [self.path("tile_catalog", other) for other in self.months]
        if any(self._older(Path(path), tables) for path in self._root_files()):
            self.make(key, "catalog", "collection")

    def _root_files(self) -> list[str]:
        collections = {str(self.layout.of(key).direction_collection) for key in self.months}
        return [self.layout.catalog, self.layout.items, self.layout.stac_root, self.layout.collection, *collections]

    def _in_step(self, key: CompositeKey) -> bool:
        try:
            record = json.loads(self.path("record", key).read_text())
            held = [record["granules_digest"], record["recipe_digest"], record["unread"]]
        except (OSError, ValueError, KeyError):
            return False
        wanted = [list_digest(GranuleList(self.granules(key))), digest(self.recipe), []]
        slots = cached_header(self.path("cube", key))
        return held == wanted and slots is not None and slots.status(key.month) == Status.COMPLETE

    def _write_if_older(self, step: str, key: CompositeKey, needed: Sequence[Path]) -> None:
        if self._older(self.path(step, key), needed):
            self.make(key, step)

    @staticmethod
    def _older(path: Path, needed: Sequence[Path]) -> bool:
        return not path.exists() or any(other.stat().st_mtime_ns > path.stat().st_mtime_ns for other in needed)
