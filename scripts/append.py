"""Rule append: write the month into its slot of the cube, then its record."""

from s1monthly import VERSION, logs
from s1monthly.account import read_account
from s1monthly.bands import bands_of
from s1monthly.config import load_config
from s1monthly.cube import write_month
from s1monthly.geotiff import open_raster
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
    account.check(listed.digest, digest(recipe))
    origin = Origin(
        granules=account.of_read(listed.granules),
        set_aside=(*listed.set_aside, *(SetAside(*lost, lost=True) for lost in sorted(account.unread.items()))),
        unread=tuple(sorted(account.unread)),
        granules_digest=listed.digest,
        recipe=recipe,
        recipe_digest=digest(recipe),
        software=software_versions(s1monthly=VERSION),
    )
    (count,), geobox = read_raster(snakemake.input.pass_count)
    rows, columns = (slice(0, size) for size in geobox.shape)
    with open_raster(snakemake.input.stack) as stack:

        def values():  # band by band: textures can be many
            for index, band in zip(range(1, stack.header.count + 1), bands_of(recipe), strict=True):
                yield band.name, stack.read(rows, columns, index)

        checksum = write_month(snakemake.params.cube, key.month, values(), count, recipe)
        of = config.processing.level, config.roi.polarization, geobox
        record = measure(key, *of, values(), count, origin, checksum)
    write_record(snakemake.output.record, record)
    log.info("%s: %s, %d of %d pixels valid, %s", key, record.status, record.valid, record.total, record.digest)


if "snakemake" in globals():
    main(snakemake)
