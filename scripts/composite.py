"""Rule composite: merge the passes of the month, pixel by pixel; count them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from s1monthly import logs
from s1monthly.compositing import composite, row_blocks
from s1monthly.config import load_config
from s1monthly.grid import tile_geobox
from s1monthly.naming import parse_pass_file
from s1monthly.polygon_mask import outside_polygon
from s1monthly.rasters import read_rows, write_raster
from s1monthly.vocabulary import Tile


def main(snakemake):
    config = load_config(snakemake.config)
    log = logs.start(snakemake.log[0], config.logging)
    processing, layers = config.processing, config.roi.polarization.layers
    geobox = tile_geobox(Tile(snakemake.wildcards.tile), processing.target_resolution, processing.epsg)
    files = {layer: [] for layer in layers}
    for file in sorted(Path(snakemake.input.passes).glob("T*.tif")):
        files[parse_pass_file(file.name)[1]].append(file)
    passes = len(files[layers[0]])
    power = {layer: np.full(geobox.shape, np.nan, np.float32) for layer in layers}
    count = np.zeros(geobox.shape, np.uint8)
    masked = outside_polygon(geobox, config.roi.wkt) if processing.use_roi_mask else None

    def merge(rows):
        for layer in layers:
            stack = read_rows(files[layer], geobox, rows)
            power[layer][rows], count[rows] = composite(stack, processing.composite_method, processing.trim_fraction)
            if masked is not None:
                power[layer][rows][masked[rows]], count[rows][masked[rows]] = np.nan, 0

    with ThreadPoolExecutor(snakemake.threads) as pool:
        list(pool.map(merge, row_blocks(geobox.shape, passes)))
    write_raster(snakemake.output.composite, power.values(), geobox, layers)
    write_raster(snakemake.output.pass_count, [count], geobox, ["count"])
    log.info("%d passes, %d valid pixels", passes, np.count_nonzero(count))


if "snakemake" in globals():
    main(snakemake)
