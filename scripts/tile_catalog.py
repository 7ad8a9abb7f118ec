"""Rule tile_catalog: the table of a tile and direction, from all that lies in its folder."""

from pathlib import Path

from s1monthly import jobs, logs
from s1monthly.cataloguing import catalog_tile


def main(argv=None):
    job = jobs.told(__doc__, argv, "catalog")
    log = logs.start(job.log, **job.settings.logging)
    rows = catalog_tile(Path(job.catalog).parent)
    log.info("%s: %d months", job.catalog, len(rows))


if __name__ == "__main__":
    main()
