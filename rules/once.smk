"""Input functions of what is made once for a tile and direction: static layers, and the reference of rabasar."""

from s1monthly.granule_names import STATIC_LAYERS


def static_cogs():
    """Return the path patterns of a track's static COGs."""
    return [LAYOUT.static_cog.replace("{layer}", layer) for layer in STATIC_LAYERS]


def static_state(wildcards):
    """Return the state of a track's static layers."""
    track = int(wildcards.track.removeprefix("T"))
    return tile_of(wildcards).statics.tracks[track]


def static_again(wildcards):
    """Force static layers to be made if the source has other granules than those they were made of."""
    searched = after_search(wildcards)
    return REMAKE if static_state(wildcards).step == StaticStep.READ else searched


def static_made_of(wildcards):
    """Return a param that changes with the static granules of a track."""
    return static_state(wildcards).made_of


def reference_bursts(kind):
    """Return an input function: folders or accounts of all months that the reference of a tile is made of."""

    def files(wildcards):
        after_search(wildcards)
        tile = tile_of(wildcards)
        return [getattr(tile.paths(month), kind) for month in tile.reference_months]

    return files


def reference_months(wildcards):
    """Return the months that the reference of a tile is made of."""
    return ",".join(map(str, tile_of(wildcards).reference_months))


def reference_made(wildcards):
    """Wait for the reference if there is none yet; one that exists is no reason to make a month again."""
    after_search(wildcards)
    tile = tile_of(wildcards)
    if RUN.draws or not tile.period or tile.reference:
        return []
    if not tile.reference_months:
        raise WorkflowError(
            f"{tile.key.tile} {tile.key.direction}: the source has no granules in the reference period"
            " -> give another processing.despeckle.kwargs.reference"
        )
    return tile.paths().reference_facts


def reference_static(wildcards):
    """Wait for the static layers of a tile, if an option of its composites reads them."""
    needed = PLAN.config.composite_needs_statics and not RUN.draws
    return static_files(wildcards) if needed else []


def static_heights(wildcards):
    """Wait for the heights of a tile, if static layers are computed from a GRD product and are not there yet."""
    after_search(wildcards)
    needed = RUN.draws or static_state(wildcards).step == StaticStep.READ
    return (PLAN.heights(wildcards.tile) or []) if needed else []
