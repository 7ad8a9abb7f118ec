"""Rule bursts: cut every granule of the month to the tile, one GeoTIFF a burst and layer."""

from s1monthly import logs
from s1monthly.account import read_all, write_account
from s1monthly.config import load_config
from s1monthly.grid import tile_geobox
from s1monthly.kept import KeptPieces, Piece
from s1monthly.ledger import read_granule_list
from s1monthly.naming import layer_file
from s1monthly.planning import layout_of
from s1monthly.rasters import write_raster
from s1monthly.recipe import digest, recipe
from s1monthly.sources import open_source
from s1monthly.sources.reading import read_burst
from s1monthly.vocabulary import CompositeKey


def main(snakemake):
    config, params = load_config(snakemake.config), snakemake.params
    logs.start(snakemake.log[0], **snakemake.config["logging"])
    key, processing = CompositeKey.parse(**snakemake.wildcards), config.processing
    layers = config.roi.polarization.layers
    geobox = tile_geobox(key.tile, processing.target_resolution, processing.epsg)
    layout, place = layout_of(config), dict(snakemake.wildcards.items())
    listed = read_granule_list(layout.granules.format(**place), params.granules_digest)
    source = open_source(config.source.kind, **config.source_options)
    kept = KeptPieces(layout.kept.format(**place), params.recipe)

    def cut(granule):
        with source.prepared(granule) as ready:
            burst = read_burst(ready, layers, geobox, processing.min_valid_lin, processing.mask)
            checksums = {layer.name: layer.md5 for layer in ready.layers}
        files = {layer: layer_file(granule.id, layer) for layer in (burst.power if burst else ())}
        for layer, file in files.items():
            write_raster(kept.folder / file, [burst.power[layer]], burst.geobox, [layer])
        outcome = "no valid pixel on the tile" if burst is None else "read" if burst.masked else "read, unmasked"
        return Piece(outcome, tuple(files.values()), checksums)

    most, how = config.memory.max_failed_ratio, digest(recipe(config))
    account = read_all(key, listed, cut, kept, config.read_workers, most, how)
    kept.deliver(account.checksums, snakemake.output.bursts)
    write_account(snakemake.output.account, account)
    if not account.unread:
        kept.remove()


if "snakemake" in globals():
    main(snakemake)
