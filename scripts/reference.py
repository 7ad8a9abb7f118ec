"""Rule reference: the mean of the plain composites of the reference period; made once for a tile (rabasar)."""

from dataclasses import replace

import light_imports  # noqa: F401
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.polygon_mask import outside_polygon
from s1monthly.model import CompositeKey
from s1monthly.records.account import read_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest
from s1monthly.records.reference import Reference, write_reference
from s1monthly.stages.composite import Merging, compose
from s1monthly.stages.reference import TemporalMean, digest_of, write_mean
from s1monthly.stages.viewing import left_out_without_static
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "tile", "direction", "months", "mean", "facts")
    settings, months = job.settings.of(job.tile, job.direction), job.months.split(",")
    keys = [CompositeKey.parse(job.tile, job.direction, month) for month in months]
    recipe, layers = settings.recipe, settings.polarization.layers
    geobox = tile_geobox(keys[0].tile, settings.resolution, settings.epsg)
    outside = outside_polygon(geobox, recipe["roi_mask"]) if recipe["roi_mask"] else None
    how, mean, used = replace(Merging.of(recipe), spread=()), TemporalMean((len(layers), *geobox.shape)), {}
    for key in keys:
        layout = settings.layout.of(key)
        account = read_account(layout.account)
        account.check(account.granules_digest, digest(recipe))
        listed, statics = read_granule_list(layout.granules, account.granules_digest), layout.static_store
        some = settings.max_failed_ratio
        left_out = left_out_without_static(key, listed, account, statics, some) if how.needs_statics else {}
        seen = account.without(left_out).on_tile
        mean.add(compose(layout.bursts, seen, geobox, layers, how, outside, job.threads, statics).power)
        used[str(key.month)] = account.granules_digest
        log.info("%s: %d granules", key, len(account.on_tile))
    values = mean.result()
    write_mean(job.mean, values, geobox, recipe, job.threads)
    write_reference(job.facts, Reference(digest(recipe), used, digest_of(values)))


if __name__ == "__main__":
    jobs.run(main)
