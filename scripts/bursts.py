"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a burst and layer."""

from contextlib import nullcontext
from dataclasses import replace

import light_imports  # noqa: F401
from s1monthly.granule_names import layer_file, seen_file
from s1monthly.grid.lattice import tile_geobox
from s1monthly.kernels.options import RADIOMETRY, RADIOMETRY_LAYERS
from s1monthly.model import CompositeKey
from s1monthly.raster.writing import write_raster
from s1monthly.records.account import write_account
from s1monthly.records.granule_list import read_granule_list
from s1monthly.records.recipe import digest
from s1monthly.records.source_facts import MARK
from s1monthly.records.static_list import read_static_list
from s1monthly.records.statics_used import STATIC
from s1monthly.sources import open_source
from s1monthly.stages.burst import NoPixels, read_burst
from s1monthly.stages.bursts import read_all
from s1monthly.workflow import jobs
from s1monthly.workflow.resume import KeptPieces, Piece


def static_layers_of(path, radiometry):
    """Return the static granule of each burst, with the layers alone that convert to a quantity."""
    names = RADIOMETRY_LAYERS[radiometry]
    granules = read_static_list(path)
    return {
        granule.burst: replace(granule, layers=tuple(layer for layer in granule.layers if layer.name in names))
        for granule in granules
    }


def main(argv=None):
    given = ("tile", "direction", "month", "granules_digest", "recipe", "bursts", "account")
    job, _ = jobs.read_arguments(__doc__, argv, *given)
    key, settings = CompositeKey.parse(job.tile, job.direction, job.month), job.settings.of(job.tile, job.direction)
    layers, how, layout = settings.polarization.layers, settings.recipe, settings.layout.of(key)
    geobox = tile_geobox(key.tile, settings.resolution, settings.epsg)
    listed = read_granule_list(layout.granules, job.granules_digest)
    source = open_source(settings.source_kind, polarization=settings.polarization, **settings.source_options)
    pieces = KeptPieces(layout.resume_folder, job.recipe)
    radiometry = how.get("radiometry", RADIOMETRY)
    statics = static_layers_of(layout.static_granules, radiometry) if radiometry != RADIOMETRY else {}

    def cut(granule):
        static = statics.get(granule.burst)
        with source.prepared(granule) as ready, source.prepared(static) if static else nullcontext() as factors:
            limits, quality = (how["min_valid_power"], how["mask"]), bool(how.get("quality"))
            burst = read_burst(ready, layers, geobox, *limits, radiometry, factors, with_seen=quality)
            facts = {layer.name: layer.md5 for layer in ready.layers}
            facts |= {f"{MARK}{name}": text for name, text in burst.facts.items()}
            facts |= {f"{MARK}{STATIC}": static.id} if static else {}
        seen = (seen_file(granule.id),) if burst.seen else ()
        if burst.seen:
            write_raster(pieces.folder / seen[0], [burst.seen.bits], burst.seen.geobox, ["seen"])
        if isinstance(burst, NoPixels):
            return Piece(burst.reason, seen, facts)
        files = {layer: layer_file(granule.id, layer) for layer in burst.power}
        for layer, file in files.items():
            write_raster(pieces.folder / file, [burst.power[layer]], burst.geobox, [layer])
        return Piece("read" if burst.masked else "read, unmasked", (*files.values(), *seen), facts)

    account = read_all(key, listed, cut, pieces, settings.read_workers, settings.max_failed_ratio, digest(how))
    pieces.deliver(account.checksums, job.bursts)
    write_account(job.account, account)
    if not account.unread:
        pieces.remove()


if __name__ == "__main__":
    jobs.run(main)
