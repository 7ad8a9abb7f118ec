"""Months to try metadata on: records, and output trees with small files in the places where big ones would lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from s1monthly.catalog import collection
from s1monthly.catalog import item as stac
from s1monthly.catalog import table as catalog
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.document import write_document
from s1monthly.granules import Burst, BurstGranule, Granule, GranuleList, Layer, SetAside
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.bands import bands_of
from s1monthly.kernels.statistics import BandStatistics, CountStatistics
from s1monthly.layout import Layout
from s1monthly.model import CompositeKey, Level, Month, Polarization, Stack, Tile
from s1monthly.records.footprint import footprint
from s1monthly.records.month import Record, write_record
from s1monthly.records.search_log import Answer, write_answers

CALIFORNIA = "10SGD"
ANTIMERIDIAN = "01KAB"
"""A tile that lies on both sides of 180 degrees."""

ITEM_ORIGIN = (
    *(
        "platform",
        "processing:software",
        "s1monthly:platforms",
        "s1monthly:tracks",
        "s1monthly:granules",
        "s1monthly:passes",
    ),
    *("s1monthly:missing_granules", "s1monthly:first_acquisition", "s1monthly:last_acquisition"),
    *("sat:relative_orbit", "sat:platform_international_designator"),
)
"""Properties of an Item that say what a month was made of; left out if the record does not know."""

RECIPE = {
    "algorithms": {"bands": 1, "compositing": 1, "despeckling": 1, "masking": 1, "resampling": 1},
    "composite": {"method": "median"},
    "data": "OPERA RTC-S1",
    "despeckle": {"method": "tv_bregman", "reg_param": 5.0},
    "grid": {"crs": None, "resolution": 30.0},
    "level": "hARDCp",
    "mosaic": "mean",
}


def granule(
    day: datetime, number: int = 292318, track: int = 137, platform: str = "S1A", layers: str = "VV VH mask"
) -> Granule:
    """Make a granule with layers of invented size and checksum."""
    made = tuple(Layer(name, f"https://host/{name}", 7_000_000 + number % 100, "0" * 32) for name in layers.split())
    return BurstGranule(
        burst=Burst(track, number, "IW1"),
        acquired=day,
        processed=datetime(2025, 8, 30, tzinfo=UTC),
        platform=platform,
        spacing=30,
        version="1.0",
        layers=made,
    )


def month_record(
    tile: str = CALIFORNIA,
    direction: str = "ASCENDING",
    month: str = "2021-11",
    *,
    polarization: str = "VV+VH",
    level: str = "hARDCp",
    granules: Sequence[Granule] | None = None,
    set_aside: Sequence[SetAside] = (),
    mask: np.ndarray | None = None,
    grid: GeoBox | None = None,
    textures: Mapping[str, object] | None = None,
    spread: Sequence[str] = (),
    unknown: bool = False,
) -> Record:
    """Make the record of a month whose data fills `mask`, by default a swath that ends inside the tile.

    Of one that is `unknown` nothing is known but what the cube holds.
    """
    key = CompositeKey(Tile(tile), Stack.parse(direction), Month.parse(month))
    grid = grid or tile_geobox(key.tile)
    if mask is None:
        rows, columns = np.ogrid[: grid.height, : grid.width]
        mask = columns + 0.2 * rows < 0.8 * grid.width
    if granules is None:
        days = [key.month.start + timedelta(days=n, hours=2) for n in (2, 8, 14)]
        granules = [granule(day + timedelta(seconds=3 * n), 292318 + n) for day in days for n in range(4)]
    valid, pol = int(mask.sum()), Polarization(polarization)
    numbers = BandStatistics(-25.5, 3.25, -12.125, 4.5, valid) if valid else BandStatistics(None, None, None, None, 0)
    half = valid // 2
    recipe = {**RECIPE, "level": level, "despeckle": RECIPE["despeckle"] if level == "hARDCp" else None}
    recipe |= {"polarization": polarization} | ({"textures": textures} if textures else {})
    recipe |= {"spread": list(spread)} if spread else {}
    count = CountStatistics(1, 3, (half + 3 * (valid - half)) / valid, {1: half, 3: valid - half}) if valid else None
    return Record(
        key=key,
        level=Level(level),
        polarization=pol,
        grid=grid,
        granules=None if unknown else tuple(granules),
        set_aside=None if unknown else tuple(set_aside),
        valid=valid,
        count=count or CountStatistics(None, None, None, {}),
        bands={band.name: numbers for band in bands_of(recipe)},
        footprint=footprint(mask, grid),
        unread=None if unknown else (),
        granules_digest=None if unknown else "0123456789abcdef",
        recipe=recipe,
        recipe_digest="fedcba9876543210",
        software=None if unknown else {"numpy": "2.4.6", "zarr": "3.1.6"},
        digest="ab" * 32,
    )


def lay_down(base: Path, record: Record, kinds: Sequence[str] = ("cog", "preview")) -> Path:
    """Write a record, files of those kinds, an (empty) cube and the Item under `base`; return the tile's folder."""
    place = Layout(str(base)).of(record.key)
    paths = {kind: Path(getattr(place, "cube" if kind == "zarr" else kind)) for kind in stac.ASSETS}
    paths["zarr"].mkdir(parents=True, exist_ok=True)
    write_record(paths["record"], record)
    if "cog" in kinds:
        paths["cog"].parent.mkdir(exist_ok=True)
        paths["cog"].write_text(f"pixels of {record.key}, {record.digest}")
    if "preview" in kinds:
        paths["preview"].parent.mkdir(exist_ok=True)
        rows, columns = (-(-side // 10) for side in record.grid.shape)
        imageio.imwrite(paths["preview"], np.full((rows, columns, 4), 7, np.uint8))
    item_path = Path(place.item)
    files = {
        kind: preview_file(path, item_path.parent, record.grid)
        if kind == "preview"
        else asset_file(path, item_path.parent)
        for kind, path in paths.items()
        if path.exists()
    }
    write_document(item_path, stac.item(record, files))
    return item_path.parent


def write_search(folder: Path, empty_months: Sequence[str]) -> None:
    """Write an account of a search that found nothing in those months, and twelve granules in 2021-11."""
    asked = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = {"2021-11": month_record().granules, **dict.fromkeys(empty_months, ())}
    answers = {Month.parse(m): Answer.of(GranuleList(tuple(g), ()), asked, listing="") for m, g in found.items()}
    write_answers(folder / "search.json", {"tracks": None}, answers)


def publish(base: Path) -> dict[str, object]:
    """Write the tiles' catalogs, the global one and the Collection; return the Collection."""
    for folder in sorted(path for path in base.iterdir() if path.is_dir()):
        catalog.write_catalog(folder / "catalog.parquet", catalog.tile_rows(folder))
    rows = catalog.global_rows(base)
    catalog.write_catalog(base / "catalog.parquet", rows)
    documents = collection.stac_documents(rows)
    for name, document in documents.items():
        write_document(base / name, document)
    return documents["collection.json"]
