"""Rule stack: despeckle the composite where asked, and compute the output bands."""

from s1monthly import logs
from s1monthly.bands import bands
from s1monthly.config import load_config
from s1monthly.despeckling import despeckle
from s1monthly.rasters import read_raster, write_raster
from s1monthly.vocabulary import Level


def main(snakemake):
    config = load_config(snakemake.config)
    log = logs.start(snakemake.log[0], config.logging)
    (co, cross), geobox = read_raster(snakemake.input.composite)
    if config.processing.level is Level.HARDCP:
        options = config.processing.despeckle.kwargs.model_dump()
        for power in (co, cross):
            power[:] = despeckle(power, config.processing.despeckle.method, threads=snakemake.threads, **options)
        log.info("despeckled: %s %s", config.processing.despeckle.method, options)
    output = bands(*config.roi.polarization.layers)
    write_raster(snakemake.output.stack, (band.formula(co, cross) for band in output), geobox, [b.name for b in output])
    log.info("bands: %s", ", ".join(band.name for band in output))


if "snakemake" in globals():
    main(snakemake)
