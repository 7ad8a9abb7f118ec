"""The static layers of each track over a tile: angles, area factors, looks, shadow and layover."""


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
    threads: static_threads
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
