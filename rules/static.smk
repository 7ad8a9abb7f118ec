"""The static layers of each track over a tile: angles, area factors, looks, shadow and layover."""

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


def static_heights(wildcards):
    """Wait for the heights of a tile, if static layers are computed from a GRD product and are not there yet."""
    after_search(wildcards)
    needed = RUN.draws or static_state(wildcards).step == StaticStep.READ
    return (PLAN.heights(wildcards.tile) or []) if needed else []


rule static:
    """Made once: again only if the source has another burst of the track, or a newer static granule."""
    input:
        static_again,
        heights=static_heights,
    output:
        item=LAYOUT.static_item,
        cogs=static_cogs(),
    log:
        f"{LAYOUT.logs}/static/{{tile}}_{{direction}}/{{passes}}_{{track}}.log",
    priority: 70_000_000
    retries: SETTINGS.memory.batch_max_retries
    conda:
        "../envs/s1monthly.yaml"
    threads: burst_threads
    resources:
        mem_mb=static_mb,
        runtime=lambda w, attempt: 60 * attempt,
        downloads=int(SETTINGS.source.kind == "asf"),
    params:
        start=start_of("static"),
        made_of=static_made_of,
        block_size=SETTINGS.processing.cog_block_size,
        compression=SETTINGS.output.cog_compression,
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "wildcards.track",
            "params.made_of",
            "params.block_size",
            "input.heights",
            "output.item",
        )
