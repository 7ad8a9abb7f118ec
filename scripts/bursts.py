"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a burst and layer."""

import light_imports  # noqa: F401
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.options import RADIOMETRY
from s1monthly.model import CompositeKey
from s1monthly.records.account import write_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest
from s1monthly.sources import open_source
from s1monthly.stages.bursts import read_all
from s1monthly.stages.cutting import Cutter, converting_granules
from s1monthly.workflow import jobs
from s1monthly.workflow.resume import KeptPieces


def main(argv=None):
    given = ("tile", "direction", "month", "granules_digest", "recipe", "bursts", "account")
    job, _ = jobs.read_arguments(__doc__, argv, *given)
    key, settings = CompositeKey.parse(job.tile, job.direction, job.month), job.settings.of(job.tile, job.direction)
    layers, recipe, layout = settings.polarization.layers, settings.recipe, settings.layout.of(key)
    geobox = tile_geobox(key.tile, settings.resolution, settings.epsg)
    listed = read_granule_list(layout.granules, job.granules_digest)
    source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
    pieces = KeptPieces(layout.resume_folder, job.recipe)
    statics = converting_granules(layout.static_granules, recipe.get("radiometry", RADIOMETRY))
    cut = Cutter(source, layers, geobox, recipe, statics, pieces.folder).cut
    account = read_all(key, listed, cut, pieces, settings.read_workers, settings.max_failed_ratio, digest(recipe))
    pieces.deliver(account.checksums, job.bursts)
    write_account(job.account, account)
    if not account.unread:
        pieces.remove()


if __name__ == "__main__":
    jobs.run(main)
