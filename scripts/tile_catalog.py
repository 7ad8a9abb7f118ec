"""Rule tile_catalog: the table of a tile and direction, from all that lies in its folder."""

from pathlib import Path

from s1monthly import logs
from s1monthly.catalog import tile_rows, write_catalog
from s1monthly.config import load_config


def main(snakemake):
    log = logs.start(snakemake.log[0], load_config(snakemake.config).logging)
    path = Path(snakemake.output.catalog)
    rows = tile_rows(path.parent)
    write_catalog(path, rows)
    log.info("%s: %d months", path, len(rows))


if "snakemake" in globals():
    main(snakemake)
