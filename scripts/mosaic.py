"""Rule mosaic: merge the overlapping bursts of each pass."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from s1monthly import logs
from s1monthly.compositing import Mosaic
from s1monthly.config import load_config
from s1monthly.grid import overlap, tile_geobox
from s1monthly.naming import layer_file, parse_granule_id, parse_layer_file, pass_file
from s1monthly.rasters import read_raster, write_raster
from s1monthly.vocabulary import Tile, passes_of


def main(snakemake):
    config = load_config(snakemake.config)
    log = logs.start(snakemake.log[0], config.logging)
    processing, layers = config.processing, config.roi.polarization.layers
    geobox = tile_geobox(Tile(snakemake.wildcards.tile), processing.target_resolution, processing.epsg)
    bursts, folder = Path(snakemake.input.bursts), Path(snakemake.output.passes)
    folder.mkdir(parents=True, exist_ok=True)
    names = {parsed[0] for file in bursts.iterdir() if (parsed := parse_layer_file(file.name))}
    passes = passes_of(parse_granule_id(name) for name in names)

    def merge(work):
        pass_, layer = work
        mosaic = Mosaic(geobox.shape, processing.mosaic_strategy)
        for granule in pass_.granules:
            power, window = read_raster(bursts / layer_file(granule.id, layer))
            rows, columns = overlap(geobox, window).target
            mosaic.add(power[0], rows.start, columns.start)
        write_raster(folder / pass_file(pass_, layer), [mosaic.result()], geobox, [layer])
        log.info("%s %s: %d bursts", pass_.name, layer, len(pass_.granules))

    with ThreadPoolExecutor(snakemake.threads) as pool:
        list(pool.map(merge, [(pass_, layer) for pass_ in passes for layer in layers]))
    log.info("%d passes of %d granules", len(passes), len(names))


if "snakemake" in globals():
    main(snakemake)
