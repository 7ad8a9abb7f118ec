"""The heavy steps of a tile-month, each beside the plain use of a well-known library on the same input."""

from __future__ import annotations

import shutil
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray

from benchmarks.pipeline import DIRECTION, MONTH, TILE, Progress
from benchmarks.recipes import scikit_image_recipe
from benchmarks.report import table
from s1monthly.config.processing import Processing
from s1monthly.cube.axis import prepare
from s1monthly.cube.create import CODEC
from s1monthly.cube.layout import CubeSpec
from s1monthly.cube.write import write_month
from s1monthly.granules import Granule, passes_of
from s1monthly.grid.lattice import GeoBox, tile_geobox
from s1monthly.kernels.bands import bands
from s1monthly.kernels.compositing import PassMosaic, composite
from s1monthly.kernels.options import DESPECKLE_OPTIONS
from s1monthly.kernels.speckle.despeckling import METHODS, despeckle
from s1monthly.kernels.speckle.looks import estimate_looks
from s1monthly.kernels.speckle.rabasar import rabasar
from s1monthly.model import Polarization
from s1monthly.raster.cog import write_cog
from s1monthly.stages.burst import BurstWindow, read_burst

LAYERS = Polarization.VV_VH.layers
METHOD = "tv_bregman"
Power = NDArray[np.float32]


@dataclass(frozen=True)
class Timing:
    """Median seconds of some calls: wall and, of all threads, CPU."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """A step done by the library's plain use and by ours."""

    step: str
    threads: int
    plain: Timing
    ours: Timing

    @property
    def ratio(self) -> float:
        """Wall time of ours as a share of the plain use's."""
        return self.ours.wall / self.plain.wall


def timed(call: Callable[[], Any], repeat: int, prepare: Callable[[], Any] | None = None) -> Timing:
    """Time a call, after one call of `prepare` each time; medians."""
    walls, cpus = [], []
    for _ in range(repeat):
        if prepare:
            prepare()
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Timing(statistics.median(walls), statistics.median(cpus))


def compare(granules: Sequence[Granule], folder: Path, repeat: int, progress: Progress) -> list[Comparison]:
    """Compare all steps, on the granules of a month, with one thread and with two."""
    folder.mkdir(exist_ok=True)
    geobox, options = tile_geobox(TILE), Processing()
    found: list[Comparison] = []

    def step(
        name: str, threads: int, plain: Timing, ours: Callable[[], Any], prepare: Callable[[], Any] | None = None
    ) -> None:
        progress(f"{name}, {threads} thread{'s' if threads > 1 else ''}")
        found.append(Comparison(name, threads, plain, timed(ours, repeat, prepare)))

    cut = partial(_cut, granules, geobox, options)
    for threads in (1, 2):
        plain = timed(partial(_decode, granules, threads), repeat)
        step("decode 108 layers", threads, plain, partial(cut, threads))
    power = _composites(granules, cut(2), geobox, step, repeat)

    co = power[LAYERS[0]]
    despeckle(co[:200, :200], METHOD)  # the first call of a kernel loads or compiles it
    plain = timed(partial(scikit_image_recipe, co), repeat)
    for threads in (1, 2):
        step("despeckle a band", threads, plain, partial(despeckle, co, METHOD, threads=threads))

    for method in [name for name in METHODS if name != METHOD]:
        looked = {"looks": 8.0} if "looks" in DESPECKLE_OPTIONS[method] else {}  # type: ignore[index]
        despeckle(co[:200, :200], method, **looked)
        step(f"despeckle: {method}", 2, plain, partial(despeckle, co, method, threads=2, **looked))
    step("despeckle: rabasar", 2, plain, lambda: rabasar(co.copy(), co, threads=2, looks=8.0))
    estimate_looks(co[:200, :200])
    step("looks: auto", 2, plain, partial(estimate_looks, co, threads=2))

    smooth = [despeckle(power[layer], METHOD, threads=2) for layer in LAYERS]
    month = {band.name: band.formula(*smooth) for band in bands(*LAYERS)}
    for threads in (1, 2):
        plain = timed(partial(_plain_cog, folder / "plain.tif", month, geobox, threads), repeat)
        step("COG of 4 bands", threads, plain, partial(_cog, folder / "ours.tif", month, geobox, threads))

    count = np.full(geobox.shape, 3, np.uint8)
    plain_store, store = folder / "plain.zarr", folder / "ours.zarr"
    call = partial(_plain_zarr, plain_store, month, count, (1, *options.chunks))
    plain = timed(call, repeat, partial(_remove, plain_store))
    spec = CubeSpec(TILE, DIRECTION, geobox, bands(*LAYERS), options.chunks, {})

    def fresh() -> None:
        _remove(store)
        prepare(store, spec, MONTH, MONTH)

    step("cube: 4 bands, count", 1, plain, partial(write_month, store, MONTH, month, count), fresh)
    return found


def _cut(granules: Sequence[Granule], geobox: GeoBox, options: Processing, threads: int) -> list[BurstWindow | None]:
    def read(granule: Granule) -> BurstWindow | None:
        window = read_burst(granule, LAYERS, geobox, options.min_valid_lin, options.mask)
        return window if isinstance(window, BurstWindow) else None

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(read, granules))


def _composites(
    granules: Sequence[Granule],
    windows: Sequence[BurstWindow | None],
    geobox: GeoBox,
    step: Callable[..., None],
    repeat: int,
) -> dict[str, Power]:
    """Compare the medians of the passes, and return both layers'."""
    passes = _passes(granules, windows, geobox)
    stack = passes[LAYERS[0]]
    composite(stack[:, :200, :200])
    plain = timed(partial(_nan_median, stack), repeat)
    for threads in (1, 2):
        step("median of 3, a band", threads, plain, partial(composite, stack, threads=threads))
    return {layer: composite(passes[layer], threads=2)[0] for layer in LAYERS}


def _decode(granules: Sequence[Granule], threads: int) -> None:
    def read(file: str) -> None:
        with rasterio.open(file) as dataset:
            dataset.read(1)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, [layer.url for granule in granules for layer in granule.layers]))


def _passes(granules: Sequence[Granule], windows: Sequence[BurstWindow | None], geobox: GeoBox) -> dict[str, Power]:
    """Merge bursts to passes: layer -> (pass, rows, columns)."""
    of_granule = {granule.id: window for granule, window in zip(granules, windows, strict=True)}
    overflights = passes_of(granules)
    passes = {layer: np.empty((len(overflights), *geobox.shape), np.float32) for layer in LAYERS}
    for index, overflight in enumerate(overflights):
        for layer in LAYERS:
            mosaic = PassMosaic(geobox.shape)
            for granule in overflight.granules:
                window = of_granule[granule.id]
                if window:
                    mosaic.add(window.power[layer], window.row, window.col)
            passes[layer][index] = mosaic.result()
    return passes


def _nan_median(stack: Power) -> Power:
    with warnings.catch_warnings(action="ignore"):  # where no pass is valid
        median: Power = np.nanmedian(stack, axis=0)
    return median


def _plain_cog(path: Path, month: dict[str, Power], geobox: GeoBox, threads: int) -> None:
    """Let the COG driver do it all, with the same compression."""
    profile: dict[str, Any] = {"width": geobox.width, "height": geobox.height, "count": len(month), "dtype": "float32"}
    profile |= {"crs": geobox.crs, "transform": rasterio.Affine(*geobox.transform), "nodata": np.nan}
    profile |= {"compress": "ZSTD", "level": 1, "predictor": "FLOATING_POINT", "blocksize": 512}
    profile |= {"overview_resampling": "AVERAGE", "num_threads": threads}
    with rasterio.open(path, "w", driver="COG", **profile) as dataset:
        for index, values in enumerate(month.values(), start=1):
            dataset.write(values, index)


def _cog(path: Path, month: dict[str, Power], geobox: GeoBox, threads: int) -> None:
    write_cog(path, month.values(), geobox, bands(*LAYERS), threads=threads)


def _plain_zarr(path: Path, month: dict[str, Power], count: NDArray[np.uint8], chunks: tuple[int, ...]) -> None:
    """Let xarray do it all, with the same codec and chunks."""
    arrays: dict[str, NDArray[Any]] = {**month, "count": count}
    dataset = xr.Dataset({name: (("time", "y", "x"), values[None]) for name, values in arrays.items()})
    encoding: dict[str, Any] = {name: {"chunks": chunks, "compressors": (CODEC,)} for name in arrays}
    dataset.to_zarr(path, encoding=encoding, consolidated=False, zarr_format=3)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def comparison_table(found: Sequence[Comparison]) -> str:
    """Lay out comparisons: wall seconds and CPU seconds of the plain use and of ours, and the ratio of walls."""
    header = ("step", "threads", "plain s", "CPU s", "ours s", "CPU s", "ours/plain")
    rows = [(x.step, x.threads, x.plain.wall, x.plain.cpu, x.ours.wall, x.ours.cpu, x.ratio) for x in found]
    return table(header, rows)
