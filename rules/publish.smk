"""What is read back from the cube."""


rule publish:
    """COG, preview and Item of a month: can always be made again without a granule.

    They are replaced one by one, each in one step: `update` keeps Snakemake from removing them before, so what is there
    stays there if the cube turns out to be damaged.
    """
    input:
        altered,
        record=rules.composite.output.record,
    output:
        **{name: update(pattern) for name, pattern in PLAN.published.items()},
    log:
        f"{LAYOUT.logs}/publish/{{tile}}_{{direction}}_{{month}}.log",
    priority: 60_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: compute_threads
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        cube=LAYOUT.cube,
        block_size=SETTINGS.processing.cog_block_size,
        formats=SETTINGS.output.formats.model_dump(),
        version=[product_version(of) for of in ("rasters", "previews", "stac")],
    script:
        "../scripts/publish.py"
