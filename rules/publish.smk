"""What is read back from the cube."""


rule publish:
    """COG, preview and Item of a month: can always be made again without a granule.

    Snakemake removes older ones first. (`update` would not do: after a failure, Snakemake restores the older ones with
    a new time, and takes them for products of the new record from then on.)
    """
    input:
        publish_again,
        record=record_made,
    output:
        **{
            name.replace("-", "_"): shown_in_report(name, pattern)
            for name, pattern in PLAN.published.items()
        },
    log:
        f"{LAYOUT.logs}/publish/{{tile}}_{{direction}}_{{month}}.log",
    priority: 60_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: compute_threads
    resources:
        mem_mb=memory_mb("publish"),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        start=start_of("publish"),
        record=record_path,
        cube=LAYOUT.cube,
        block_size=SETTINGS.processing.cog_block_size,
        formats=PLAN.product_options,
        version=PLAN.product_versions,
    shell:
        jobs.command(
            "params.record",
            "params.cube",
            "params.block_size",
            "output.item",
        )
