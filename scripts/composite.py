"""Rule composite: merge the bursts, despeckle, compute the bands, write them into the month's slot; then its record."""

import light_imports  # noqa: F401
from s1monthly import VERSION
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import tile_geobox
from s1monthly.grid.polygon_mask import outside_polygon
from s1monthly.kernels.bands import compute
from s1monthly.model import CompositeKey
from s1monthly.records.account import read_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.month import EMPTY, Origin, software_versions, write_record
from s1monthly.records.record_builder import RecordBuilder
from s1monthly.records.source_facts import combined
from s1monthly.records.statics_used import statics_used
from s1monthly.stages.composite import Merging, compose
from s1monthly.stages.despeckle import despeckle_month
from s1monthly.stages.quality import month_classes
from s1monthly.stages.reference import read_mean
from s1monthly.stages.viewing import left_out_without_static
from s1monthly.workflow import jobs


def main(argv=None):
    names = ("tile", "direction", "month", "bursts", "account", "granules_digest", "cube", "record")
    job, log = jobs.read_arguments(__doc__, argv, *names)
    settings, threads = job.settings.of(job.tile, job.direction), job.threads
    key, pair, recipe = CompositeKey.parse(job.tile, job.direction, job.month), settings.polarization, settings.recipe
    listed = read_granule_list(settings.layout.of(key).granules, job.granules_digest)
    account, merging = read_account(job.account), Merging.of(recipe)
    origin = Origin.of(listed, account, recipe, software_versions(s1monthly=VERSION))
    statics = settings.layout.of(key).static_store
    if merging.needs_statics:
        left_out = left_out_without_static(key, listed, account, statics, settings.max_failed_ratio)
        account, origin = account.without(left_out), origin.without(left_out)
        for name, reason in left_out.items():
            log.warning("%s: %s is left out: %s", key, name, reason)
    geobox = tile_geobox(key.tile, settings.resolution, settings.epsg)
    outside = outside_polygon(geobox, recipe["roi_mask"]) if recipe["roi_mask"] else None
    month = compose(job.bursts, account.on_tile, geobox, pair.layers, merging, outside, threads, statics)
    for overflight in month.passes:
        log.info("%s: %d bursts", overflight.name, len(overflight.granules))
    classes = None
    if recipe.get("quality"):
        classes = month_classes(job.bursts, account.on_tile, geobox, month.count, outside)
    despeckled, how = None, recipe["despeckle"]
    if how:
        with_mean = how["method"] == "rabasar"
        mean = read_mean(settings.layout.of(key), geobox, origin.recipe_digest) if with_mean else None
        despeckled = despeckle_month(month.power, pair.layers, how, threads, mean)
        log.info("despeckled: %s", despeckled or how)
    with RecordBuilder(key, pair, geobox, month.count) as builder:
        bands = builder.measured(compute(recipe, *month.power, threads, month.spread))
        digest = write_month(job.cube, key.month, bands, month.count, recipe, threads, classes)
        used = {name: facts for name, facts in account.facts.items() if name in account.on_tile}
        tracks = {overflight.track for overflight in month.passes} if merging.needs_statics else ()
        made_with = statics_used(used, statics, tracks)
        record = builder.build(settings.level, origin, digest, despeckled, combined(used), made_with)
    write_record(job.record, record)
    for warning in record.warnings:
        log.warning("%s: %s", key, warning)
    if record.status == EMPTY:
        log.warning("%s: no pixel has a value: %s", key, account.why_empty)
    log.info("%s: %s, %d of %d pixels valid, %s", key, record.status, record.valid, record.total, record.digest)


if __name__ == "__main__":
    jobs.run(main)
