"""Rule cog: read a month back from the cube and write it as a cloud-optimised GeoTIFF."""

from s1monthly import logs
from s1monthly.cube import read_bands
from s1monthly.rasters import write_cog
from s1monthly.records import read_record, verified
from s1monthly.stac import output_bands, processing_tags


def main(snakemake):
    log = logs.start(snakemake.log[0], **snakemake.config["logging"])
    record = read_record(snakemake.input.record)
    write_cog(
        snakemake.output.cog,
        (values for _, values in verified(record, read_bands(snakemake.params.cube, record.key.month))),
        record.grid,
        output_bands(record),
        tags=processing_tags(record),
        block_size=snakemake.params.block_size,
        threads=snakemake.threads,
        known=list(record.bands.values()),
    )
    log.info("%s: %d bands, %d valid pixels", snakemake.output.cog, len(record.bands), record.valid)


if "snakemake" in globals():
    main(snakemake)
