"""Publishing: how long an idle call takes; and what readers of a published tree fetch over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
import zarr.storage
from obstore.store import HTTPStore
from rasterio.windows import Window

from benchmarks.report import table
from s1monthly.catalog.update import catalog_all, catalog_tile
from s1monthly.cube.axis import prepare
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.overviews import overview_factors
from s1monthly.cube.write import write_month
from s1monthly.errors import GridError, NameFormatError
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.model import Direction, Month, Tile
from s1monthly.raster.cog import write_cog
from s1monthly.records.seal import seal
from s1monthly.upload.publishing import Options, publish_tree
from s1monthly.upload.storage import open_storage
from support.ranged import Ranged, ranged
from support.small_tree import SmallTree

MONTHS = 120
TILE = "10SGD"
BLOCK = 512
OVERVIEW = 8


def measure(folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure both."""
    return {"idle": idle(folder / "idle", progress), "reading": reading(folder / "reading", progress)}


# an idle call


def idle(folder: Path, progress: Callable[[str], None]) -> list[tuple[int, float, float, float]]:
    """Publish trees of 100 and 12,000 coarse months: seconds of the first call, of an idle one, and without notes."""
    progress(f"a tree of {MONTHS} months")
    tree = SmallTree(folder / "output", overviews=(2,))
    keys = [tree.add(str(Month(2015, 1).shift(number))) for number in range(MONTHS)]
    for number, key in enumerate(keys):
        tree.make(key, "cube", "record", "cog", "preview", "item")
        if number == 99:
            tree.make(key, "tile_catalog", "collection")
            first = _times(tree.base, folder / "small", 100)
            progress(f"{first}")
    tree.make(keys[-1], "tile_catalog", "collection")
    progress("99 copies of it")
    source = tree.base / f"{TILE}_ASCENDING"
    for tile in _tiles(99):
        _copy(source, tree.base / f"{tile}_ASCENDING", tile)
    catalog_all(tree.base)
    progress("publishing them")
    return [first, _times(tree.base, folder / "large", 100 * MONTHS)]


def _tiles(number: int) -> list[str]:
    """Return names of tiles, any."""
    found: list[str] = []
    for zone, column, row in product(range(11, 60), "LM", "ABCDEFGHJKLMNPQRSTUV"):
        with suppress(GridError, NameFormatError):
            found.append(str(tile_geobox(Tile(f"{zone}S{column}{row}"), 600.0) and Tile(f"{zone}S{column}{row}")))
    return found[:number]


def _copy(source: Path, target: Path, tile: str) -> None:
    """Copy a folder for another tile: names and documents are changed, all else is linked."""
    for path in source.rglob("*"):
        if not path.is_file():
            continue
        new = target / str(path.relative_to(source)).replace(TILE, tile)
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json" and (path.name != "zarr.json" or path.parent == source / "zarr/S1_monthly.zarr"):
            content = json.loads(path.read_text().replace(TILE, tile))
            if "seal" in content:
                del content["seal"]
                content = seal(content)
            new.write_text(json.dumps(content))
        elif path.suffix != ".parquet":
            os.link(path, new)
    catalog_tile(target)


def _times(base: Path, place: Path, months: int) -> tuple[int, float, float, float]:
    seconds = []
    for number in range(3):
        if number == 2:
            shutil.rmtree(base / ".s1monthly" / "published")
        began = time.perf_counter()
        done = publish_tree(base, open_storage(str(place)), Options(), lambda line: None)
        seconds.append(time.perf_counter() - began)
        assert done.months == months and not done.left_out and (number == 0) == (done.files > 0), done
    return months, *seconds


# reading


def reading(folder: Path, progress: Callable[[str], None]) -> list[tuple[str, str, int, float]]:
    """Read a point of 120 months, a block and an overview of a full tile: reader, what, requests, bytes."""
    progress("a full tile's cube of 120 months, and a COG")
    cube, cog = _full_tile(folder)
    with ranged(folder) as server:
        return [*_xarray(server, cube, "obstore"), *_xarray(server, cube, "fsspec"), *_gdal(server, cog)]


def _full_tile(folder: Path) -> tuple[str, str]:
    """Write a month of speckled fields, and link it into all slots."""
    box, first = tile_geobox(Tile(TILE)), Month(2015, 1)
    cube, described = folder / "S1_monthly.zarr", bands("VV", "VH")
    recipe = {"level": "hARDCp", "polarization": "VV+VH"}
    factors = overview_factors(box.shape)
    spec = CubeSpec(Tile(TILE), Direction.ASCENDING, box, described, (BLOCK, BLOCK), recipe, factors)
    prepare(cube, spec, first, first.shift(MONTHS - 1))
    rng = np.random.default_rng(0)
    fields = rng.uniform(0.02, 0.3, (box.height // 20 + 1, box.width // 20 + 1)).repeat(20, 0).repeat(20, 1)
    co = (fields[: box.height, : box.width] * rng.gamma(60, 1 / 60, box.shape)).astype(np.float32)
    cross = (co * 0.2 * rng.gamma(60, 1 / 60, box.shape)).astype(np.float32)
    values = {band.name: band.formula(co, cross) for band in described}
    write_month(cube, first, values, np.full(box.shape, 4, np.uint8), threads=2)
    for chunks in cube.rglob("c"):
        if chunks.parent.name in (*values, "count", "status") and (chunks / "0").exists():
            for slot in range(1, MONTHS):
                if (chunks / "0").is_dir():
                    shutil.copytree(chunks / "0", chunks / str(slot), copy_function=os.link)
                else:
                    os.link(chunks / "0", chunks / str(slot))
    cog = folder / "month.tif"
    write_cog(cog, iter(values.values()), box, described, tags={}, block_size=BLOCK)
    return cube.name, cog.name


def _xarray(server: Ranged, cube: str, through: str) -> list[tuple[str, str, int, float]]:
    store: Any = f"{server.url}/{cube}"
    if through == "obstore":
        store = zarr.storage.ObjectStore(HTTPStore.from_url(store, client_options={"allow_http": True}), read_only=True)
    rows = []

    def read(what: str, call: Callable[[], Any]) -> Any:
        with server.counted() as traffic:
            result = call()
        rows.append((f"xarray, {through}", what, traffic.requests, traffic.bytes / 1e6))
        return result

    opened = read("open", lambda: xr.open_zarr(store, chunks=None))
    read("a point, 120 months, a band", lambda: opened.VV_dB[:, 1800, 1800].values)
    read("a block of 512 x 512", lambda: opened.VV_dB[5, 512:1024, 512:1024].values)
    group = f"overviews/{OVERVIEW}"
    coarse = read("open an overview", lambda: xr.open_zarr(store, group=group, chunks=None))
    read("an overview, 458 x 458, a month", lambda: coarse.VV_dB[5].values)
    return rows


def _gdal(server: Ranged, cog: str) -> list[tuple[str, str, int, float]]:
    rows = []
    size = -(-3660 // OVERVIEW)
    for what, options in {
        "open, and a block of 512 x 512": {"window": Window(512, 512, BLOCK, BLOCK)},
        "open, and an overview, 458 x 458": {"out_shape": (size, size)},
        "open, and a point": {"window": Window(1800, 1800, 1, 1)},
    }.items():
        path = f"/vsicurl/{server.url}/{cog}?{len(rows)}"  # another name, of which GDAL's cache knows nothing
        alone = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")
        with server.counted() as traffic, alone, rasterio.open(path) as opened:
            opened.read(1, **options)
        rows.append(("GDAL, COG of a month", what, traffic.requests, traffic.bytes / 1e6))
    return rows


def upload_table(found: dict[str, Any]) -> str:
    """Lay out both tables."""
    calls = table(("months", "first call s", "idle s", "idle, without notes s"), found["idle"], 1)
    return f"{calls}\n\n{table(('reader', 'reads', 'requests', 'MB'), found['reading'])}"
