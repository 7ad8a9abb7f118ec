"""Rule tile_catalog: the table of a tile and direction, from all that lies in its folder."""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.catalog.update import catalog_tile
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "catalog")
    rows = catalog_tile(Path(job.catalog).parent)
    log.info("%s: %d months", job.catalog, len(rows))


if __name__ == "__main__":
    jobs.run(main)
