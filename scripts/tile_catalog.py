"""Rule tile_catalog: the table of a tile and direction, from all that lies in its folder."""

from pathlib import Path

from s1monthly import logs
from s1monthly.cataloguing import catalog_tile
from s1monthly.job_settings import JobSettings


def main(snakemake):
    log = logs.start(snakemake.log[0], **JobSettings.of(snakemake.config).logging)
    rows = catalog_tile(Path(snakemake.output.catalog).parent)
    log.info("%s: %d months", snakemake.output.catalog, len(rows))


if "snakemake" in globals():
    main(snakemake)
