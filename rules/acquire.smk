"""From the source to per-burst GeoTIFFs."""


checkpoint search:
    output:
        stamp=LAYOUT.asked,
    log:
        f"{LAYOUT.logs}/search/{{tile}}_{{direction}}_{{question}}.log",
    priority: 80_000_000 if PLAN.shares_granules else 0  # who shares a granule must be known
    retries: SETTINGS.memory.batch_max_retries
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=800,
        runtime=60,
    params:
        start=start_of("search"),
        tracks=tracks_asked,
        months=months_to_ask,
        listings=listings,
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "params.tracks",
            "params.months",
            "params.listings",
            "output.stamp",
        )


rule bursts:
    input:
        read_again,
        heights=heights_needed,
    output:
        bursts=temp(directory(LAYOUT.bursts)),
        account=temp(LAYOUT.account),
    log:
        f"{LAYOUT.logs}/bursts/{{tile}}_{{direction}}_{{month}}.log",
    priority: depth_first
    retries: SETTINGS.memory.batch_max_retries
    conda:
        "../envs/s1monthly.yaml"
    threads: burst_threads
    resources:
        mem_mb=slice_mb if SETTINGS.source.kind == "grd" else reading_mb,
        runtime=lambda w, attempt: 60 * attempt,
        temp_mb=temporary_mb,
        downloads=int(SETTINGS.source.kind == "asf"),
    params:
        start=start_of("bursts"),
        granules_digest=granules_digest,
        recipe=recipe_parts(
            "algorithms",
            "grid",
            "mask",
            "min_valid_power",
            "polarization",
            "radiometry",
            "grd",
        ),
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "wildcards.month",
            "params.granules_digest",
            "params.recipe",
            "input.heights",
            "output.bursts",
            "output.account",
        )
