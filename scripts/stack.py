"""Rule stack: despeckle the composite where asked, and compute the output bands."""

from s1monthly import logs
from s1monthly.bands import bands_of, compute
from s1monthly.config import load_config
from s1monthly.despeckling import despeckle
from s1monthly.rasters import read_raster, write_raster
from s1monthly.recipe import recipe
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
    how = recipe(config)
    names = [band.name for band in bands_of(how)]
    made = (values for _, values in compute(how, co, cross, snakemake.threads))
    write_raster(snakemake.output.stack, made, geobox, names)
    log.info("bands: %s", ", ".join(names))


if "snakemake" in globals():
    main(snakemake)
