"""Rule reference: the mean of the plain composites of the reference period; made once for a tile (rabasar)."""

import light_imports  # noqa: F401
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.polygon_mask import outside_polygon
from s1monthly.model import CompositeKey
from s1monthly.records.reference import write_reference
from s1monthly.stages.reference import mean_of_months, write_mean
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "direction", "months", "mean", "facts")
    settings = job.settings.of(job.tile, job.direction)
    keys = [CompositeKey.parse(job.tile, job.direction, month) for month in job.months.split(",")]
    recipe, geobox = settings.recipe, tile_geobox(keys[0].tile, settings.resolution, settings.epsg)
    outside = outside_polygon(geobox, recipe["roi_mask"]) if recipe["roi_mask"] else None
    some = settings.max_failed_ratio
    values, facts = mean_of_months(settings.layout, keys, recipe, geobox, outside, job.threads, some)
    for month, granules in facts.missing.items():
        for name, reason in granules.items():
            log.warning("%s %s, %s: the reference is made without %s: %s", job.tile, job.direction, month, name, reason)
    write_mean(job.mean, values, geobox, recipe, job.threads)
    write_reference(job.facts, facts)
    log.info("mean of %d months, %s", len(facts.months), facts.digest)


if __name__ == "__main__":
    jobs.run(main)
