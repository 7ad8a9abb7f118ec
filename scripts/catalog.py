"""Rule catalog: the table of everything, and the STAC Collection, from the catalogs of all tiles in the output tree."""

from pathlib import Path

from s1monthly import logs
from s1monthly.catalog import global_rows, write_catalog
from s1monthly.collection import collection
from s1monthly.config import load_config
from s1monthly.stac import write_document


def main(snakemake):
    log = logs.start(snakemake.log[0], load_config(snakemake.config).logging)
    rows = global_rows(Path(snakemake.output.catalog).parent)
    write_catalog(snakemake.output.catalog, rows)
    write_document(snakemake.output.collection, collection(rows))
    log.info("%s: %d months", snakemake.output.catalog, len(rows))


if "snakemake" in globals():
    main(snakemake)
