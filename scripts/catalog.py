"""Rule catalog: the table of everything, and the STAC Collection, from the catalogs of all tiles in the output tree."""

from pathlib import Path

from s1monthly import logs
from s1monthly.cataloguing import catalog_all
from s1monthly.job_settings import JobSettings


def main(snakemake):
    log = logs.start(snakemake.log[0], **JobSettings.of(snakemake.config).logging)
    rows, _ = catalog_all(Path(snakemake.output.catalog).parent)
    log.info("%s: %d months", snakemake.output.catalog, len(rows))


if "snakemake" in globals():
    main(snakemake)
