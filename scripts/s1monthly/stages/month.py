"""Make a month from its bursts: composite, despeckling, bands, the slot in the cube, and the record."""

from __future__ import annotations

import logging
from pathlib import Path

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
from s1monthly.workflow.job_settings import JobSettings

LOGGER = logging.getLogger("s1monthly")


def make_month(
    settings: JobSettings,
    key: CompositeKey,
    granules_digest: str,
    bursts: str | Path,
    account_path: str | Path,
    cube: str | Path,
    record_path: str | Path,
    threads: int = 1,
) -> None:
    """Composite a month, write its bands and count into the cube, and then its record.

    Parameters
    ----------
    settings : JobSettings
        Settings of the run, with the recipe as the cube spells it.
    key : CompositeKey
        Tile, direction and month.
    granules_digest : str
        Digest of the month's granule list, as planned.
    bursts : path
        Folder of the month's burst files.
    account_path : path
        Account of the month's granules.
    cube : path
        Cube with a slot for the month.
    record_path : path
        Record to write.
    threads : int
        Number of threads. The result does not depend on it.

    Raises
    ------
    SourceError
        If more granules than allowed lack the static layers that the composite needs.
    ProductError, GridError, CubeError, FileError
        If an input is missing or damaged, or a product cannot be written.
    """
    place, recipe = settings.layout.of(key), settings.recipe
    listed = read_granule_list(place.granules, granules_digest)
    account, merging = read_account(account_path), Merging.of(recipe)
    origin = Origin.of(listed, account, recipe, software_versions(s1monthly=VERSION))
    if merging.needs_statics:
        left_out = left_out_without_static(key, listed, account, place.static_store, settings.max_failed_ratio)
        account, origin = account.without(left_out), origin.without(left_out)
        for name, reason in left_out.items():
            LOGGER.warning("%s: %s is left out: %s", key, name, reason)
    geobox, layers = tile_geobox(key.tile, settings.resolution, settings.epsg), settings.polarization.layers
    outside = outside_polygon(geobox, recipe["roi_mask"]) if recipe["roi_mask"] else None
    month = compose(bursts, account.on_tile, geobox, layers, merging, outside, threads, place.static_store)
    for overflight in month.passes:
        LOGGER.info("%s: %d bursts", overflight.name, len(overflight.granules))
    classes = None
    if recipe.get("quality"):
        classes = month_classes(bursts, account.on_tile, geobox, month.count, outside)
    despeckled, how = None, recipe["despeckle"]
    if how:
        mean = read_mean(place, geobox, origin.recipe_digest) if how["method"] == "rabasar" else None
        despeckled = despeckle_month(list(month.power), layers, how, threads, mean)
        LOGGER.info("despeckled: %s", despeckled or how)
    with RecordBuilder(key, settings.polarization, geobox, month.count) as builder:
        bands = builder.measured(compute(recipe, month.power[0], month.power[1], threads, month.spread))
        digest = write_month(cube, key.month, bands, month.count, recipe, threads, classes)
        used = {name: facts for name, facts in account.facts.items() if name in account.on_tile}
        tracks = {overflight.track for overflight in month.passes} if merging.needs_statics else ()
        made_with = statics_used(used, place.static_store, tracks)
        record = builder.build(settings.level, origin, digest, despeckled, combined(used), made_with)
    write_record(record_path, record)
    for warning in record.warnings:
        LOGGER.warning("%s: %s", key, warning)
    if record.status == EMPTY:
        LOGGER.warning("%s: no pixel has a value: %s", key, account.why_empty)
    LOGGER.info("%s: %s, %d of %d pixels valid, %s", key, record.status, record.valid, record.total, record.digest)
