"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a burst and layer."""

from pathlib import Path

from s1monthly import logs
from s1monthly.config import load_config
from s1monthly.grid import tile_geobox
from s1monthly.ledger import read_granule_list
from s1monthly.naming import layer_file
from s1monthly.rasters import write_raster
from s1monthly.sources import open_source
from s1monthly.sources.reading import read_burst
from s1monthly.unread import read_all, write_unread
from s1monthly.vocabulary import CompositeKey


def main(snakemake):
    config = load_config(snakemake.config)
    logs.start(snakemake.log[0], config.logging)
    key, processing, layers = (
        CompositeKey.parse(**snakemake.wildcards),
        config.processing,
        config.roi.polarization.layers,
    )
    geobox = tile_geobox(key.tile, processing.target_resolution, processing.epsg)
    granules = read_granule_list(snakemake.params.granules, snakemake.params.granules_digest).granules
    source = open_source(config.source.kind, **config.source_options)
    folder = Path(snakemake.output.bursts)
    folder.mkdir(parents=True, exist_ok=True)

    def cut(granule):
        burst = read_burst(source.prepare(granule), layers, geobox, processing.min_valid_lin, processing.mask)
        for layer, power in burst.power.items() if burst else ():
            write_raster(folder / layer_file(granule.id, layer), [power], burst.geobox, [layer])
        return "read" if burst else "no valid pixel on the tile"

    reasons = read_all(key, granules, cut, snakemake.threads, config.memory.max_failed_ratio)
    write_unread(snakemake.output.unread, reasons)


if "snakemake" in globals():
    main(snakemake)
