"""Rule append: write the month into its slot of the cube, then its record."""

from s1monthly import VERSION, logs
from s1monthly.account import read_account
from s1monthly.bands import bands
from s1monthly.config import load_config
from s1monthly.cube import write_month
from s1monthly.ledger import read_granule_list
from s1monthly.rasters import read_raster
from s1monthly.recipe import digest
from s1monthly.records import Origin, measure, software_versions, write_record
from s1monthly.vocabulary import CompositeKey, SetAside


def main(snakemake):
    config = load_config(snakemake.config)
    log = logs.start(snakemake.log[0], config.logging)
    key, recipe = CompositeKey.parse(**snakemake.wildcards), snakemake.params.recipe
    listed = read_granule_list(snakemake.params.granules, snakemake.params.granules_digest)
    account = read_account(snakemake.input.account)
    origin = Origin(
        granules=account.of_read(listed.granules),
        set_aside=(*listed.set_aside, *(SetAside(*lost, lost=True) for lost in sorted(account.unread.items()))),
        unread=tuple(sorted(account.unread)),
        granules_digest=listed.digest,
        recipe=recipe,
        recipe_digest=digest(recipe),
        software=software_versions(s1monthly=VERSION),
    )
    names = [band.name for band in bands(*config.roi.polarization.layers)]
    stack, geobox = read_raster(snakemake.input.stack)
    (count,), _ = read_raster(snakemake.input.pass_count)
    values = dict(zip(names, stack, strict=True))
    checksum = write_month(snakemake.params.cube, key.month, values, count)
    record = measure(key, config.processing.level, config.roi.polarization, geobox, values, count, origin, checksum)
    write_record(snakemake.output.record, record)
    log.info("%s: %s, %d of %d pixels valid, %s", key, record.status, record.valid, record.total, record.digest)


if "snakemake" in globals():
    main(snakemake)
