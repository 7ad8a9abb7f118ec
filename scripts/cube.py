"""Rule cube: make the store, or extend its axis, so that every month has a slot."""

from pathlib import Path
from uuid import uuid4

from s1monthly import logs
from s1monthly.bands import bands
from s1monthly.config import load_config
from s1monthly.cube import CubeSpec, prepare
from s1monthly.grid import tile_geobox
from s1monthly.slots import Slots
from s1monthly.vocabulary import Direction, Month, Tile


def main(snakemake):
    config = load_config(snakemake.config)
    log = logs.start(snakemake.log[0], config.logging)
    tile, recipe, store = Tile(snakemake.wildcards.tile), snakemake.params.recipe, snakemake.params.cube
    processing, held = config.processing, Slots.read(store)
    spec = CubeSpec(
        tile=tile,
        direction=Direction(snakemake.wildcards.direction),
        geobox=tile_geobox(tile, processing.target_resolution, processing.epsg),
        bands=bands(*config.roi.polarization.layers),
        chunks=held.chunks if held and held.recipe == recipe else processing.chunks,
        recipe=recipe,
    )
    if not held:
        for empty in (Path(store, "status"), Path(store)):
            empty.rmdir()  # made by Snakemake for the stamp; the store takes its place in one step
    first, last = (Month.parse(month) for month in snakemake.wildcards.slots.split("_")[:2])
    log.info("axis: %s to %s", *prepare(store, spec, first, last, replace=config.output.overwrite))
    stamp = Path(snakemake.output.stamp)
    for older in set(stamp.parent.glob("slots_*")) - {stamp}:
        older.unlink()
    stamp.write_text(f"{uuid4()}\n")  # Snakemake takes a newer file of the same content for unchanged


if "snakemake" in globals():
    main(snakemake)
