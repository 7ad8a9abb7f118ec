"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a granule and layer."""

from functools import partial
from threading import BoundedSemaphore

import light_imports  # noqa: F401
from s1monthly.grid.lattice import tile_geobox
from s1monthly.model import CompositeKey
from s1monthly.records.account import write_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest
from s1monthly.sources import open_source
from s1monthly.sources.asf.granule_cache import GranuleCache
from s1monthly.stages.bursts import read_all
from s1monthly.stages.cutters import cutter_of
from s1monthly.stages.placing import needed_window
from s1monthly.stages.sharing import release
from s1monthly.workflow import jobs
from s1monthly.workflow.reading_progress import ReadingCount
from s1monthly.workflow.resume import KeptPieces


def main(argv=None):
    given = ("tile", "direction", "month", "granules_digest", "recipe", "bursts", "account")
    job, _ = jobs.read_arguments(__doc__, argv, *given, optional=("heights",))
    key, settings = CompositeKey.parse(job.tile, job.direction, job.month), job.settings.of(job.tile, job.direction)
    layout = settings.layout.of(key)
    listed = read_granule_list(layout.granules, job.granules_digest)
    options = settings.source_options
    if settings.window:
        target = tile_geobox(key.tile, settings.resolution, settings.epsg)
        options = {**options, "window_of": needed_window(target)}
    source = open_source(settings.source_kind, polarization=settings.polarization, **options)
    pieces = KeptPieces(layout.resume_folder, digest([job.recipe, job.heights]) if job.heights else job.recipe)
    cutter = cutter_of(settings, key, source, pieces.folder, job.heights or None, job.threads)
    cut = partial(cutter.cut, computing=BoundedSemaphore(settings.read_workers))
    of_recipe = digest(settings.recipe)
    count = ReadingCount(layout.reading_count, len(listed.granules))
    account = read_all(key, listed, cut, pieces, settings.held_granules, settings.max_failed_ratio, of_recipe, count)
    pieces.deliver(account.checksums, job.bursts)
    write_account(job.account, account)
    if not account.unread:
        pieces.remove()
    if settings.shares_granules:
        release(settings.layout, key, listed, GranuleCache(settings.layout.run_cache, 0))


if __name__ == "__main__":
    jobs.run(main)
