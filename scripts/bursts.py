"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a burst and layer."""

from s1monthly import logs
from s1monthly.account import read_all, write_account
from s1monthly.granule_list import read_granule_list
from s1monthly.grid import tile_geobox
from s1monthly.job_settings import JobSettings
from s1monthly.kept import KeptPieces, Piece
from s1monthly.naming import layer_file
from s1monthly.rasters import write_raster
from s1monthly.recipe import digest
from s1monthly.sources import open_source
from s1monthly.sources.reading import read_burst
from s1monthly.vocabulary import CompositeKey


def main(snakemake):
    job, params = JobSettings.of(snakemake.config), snakemake.params
    logs.start(snakemake.log[0], **job.logging)
    key, layers, how = CompositeKey.parse(**snakemake.wildcards), job.polarization.layers, job.recipe
    geobox = tile_geobox(key.tile, job.resolution, job.epsg)
    layout, place = job.layout, dict(snakemake.wildcards.items())
    listed = read_granule_list(layout.granules.format(**place), params.granules_digest)
    source = open_source(job.source_kind, polarization=job.polarization, **job.source_options)
    kept = KeptPieces(layout.kept.format(**place), params.recipe)

    def cut(granule):
        with source.prepared(granule) as ready:
            burst = read_burst(ready, layers, geobox, how["min_valid_power"], how["mask"])
            checksums = {layer.name: layer.md5 for layer in ready.layers}
        files = {layer: layer_file(granule.id, layer) for layer in (burst.power if burst else ())}
        for layer, file in files.items():
            write_raster(kept.folder / file, [burst.power[layer]], burst.geobox, [layer])
        outcome = "no valid pixel on the tile" if burst is None else "read" if burst.masked else "read, unmasked"
        return Piece(outcome, tuple(files.values()), checksums)

    account = read_all(key, listed, cut, kept, job.read_workers, job.max_failed_ratio, digest(how))
    kept.deliver(account.checksums, snakemake.output.bursts)
    write_account(snakemake.output.account, account)
    if not account.unread:
        kept.remove()


if "snakemake" in globals():
    main(snakemake)
