"""Rule composite: merge the bursts, despeckle, compute the bands, write them into the month's slot; then its record."""

from s1monthly import VERSION, logs
from s1monthly.account import read_account
from s1monthly.bands import compute
from s1monthly.composing import Merging, compose
from s1monthly.config import load_config
from s1monthly.cube import write_month
from s1monthly.despeckling import despeckle
from s1monthly.grid import tile_geobox
from s1monthly.ledger import read_granule_list
from s1monthly.planning import layout_of
from s1monthly.polygon_mask import outside_polygon
from s1monthly.records import Origin, checked, record_of, software_versions, write_record
from s1monthly.vocabulary import CompositeKey, Level


def main(snakemake):
    config, params, threads = load_config(snakemake.config), snakemake.params, snakemake.threads
    log = logs.start(snakemake.log[0], **snakemake.config["logging"])
    key, processing, pair = CompositeKey.parse(**snakemake.wildcards), config.processing, config.roi.polarization
    granules = layout_of(config).granules.format(**dict(snakemake.wildcards.items()))
    listed, account = read_granule_list(granules, params.granules_digest), read_account(snakemake.input.account)
    origin = Origin.of(listed, account, params.recipe, software_versions(s1monthly=VERSION))
    geobox = tile_geobox(key.tile, processing.target_resolution, processing.epsg)
    outside = outside_polygon(geobox, config.roi.wkt) if processing.use_roi_mask else None
    merging = Merging(processing.mosaic_strategy, processing.composite_method, processing.trim_fraction)
    month = compose(snakemake.input.bursts, account.on_tile, geobox, pair.layers, merging, outside, threads)
    for overflight in month.passes:
        log.info("%s: %d bursts", overflight.name, len(overflight.granules))
    if processing.level is Level.HARDCP:
        options = processing.despeckle.kwargs.model_dump()
        for power in month.power:
            power[:] = despeckle(power, processing.despeckle.method, threads=threads, **options)
        log.info("despeckled: %s %s", processing.despeckle.method, options)
    statistics = {}
    bands = checked(key, pair, compute(params.recipe, *month.power, threads), month.count, statistics)
    digest = write_month(params.cube, key.month, bands, month.count, params.recipe)
    record = record_of(key, processing.level, pair, geobox, statistics, month.count, origin, digest)
    write_record(snakemake.output.record, record)
    log.info("%s: %s, %d of %d pixels valid, %s", key, record.status, record.valid, record.total, record.digest)


if "snakemake" in globals():
    main(snakemake)
