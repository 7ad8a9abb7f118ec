"""Rule catalog: the table of everything, and the STAC documents above Items, from all tiles in the output tree."""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.catalog.update import catalog_all
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "catalog", "public_url", optional=("geopackage",))
    rows, _ = catalog_all(Path(job.catalog).parent, public_url=job.public_url, geopackage=bool(job.geopackage))
    log.info("%s: %d months", job.catalog, len(rows))


if __name__ == "__main__":
    jobs.run(main)
