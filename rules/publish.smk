"""What is read back from the cube."""


rule cog:
    """Read back from the cube: can always be made again without a granule."""
    input:
        record=rules.composite.output.record,
    output:
        cog=LAYOUT.cog,
    log:
        f"{LAYOUT.logs}/cog/{{tile}}_{{direction}}_{{month}}.log",
    priority: 60_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: cog_threads
    resources:
        mem_mb=lambda w, attempt: 1200 * attempt,
        runtime=20,
    params:
        cube=LAYOUT.cube,
        version=product_version("rasters"),
        block_size=SETTINGS.processing.cog_block_size,
    script:
        "../scripts/cog.py"


rule preview:
    input:
        record=rules.composite.output.record,
    output:
        preview=LAYOUT.preview,
    log:
        f"{LAYOUT.logs}/preview/{{tile}}_{{direction}}_{{month}}.log",
    priority: 60_000_000
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=20,
    params:
        cube=LAYOUT.cube,
        version=product_version("previews"),
    script:
        "../scripts/preview.py"


rule item:
    input:
        record=rules.composite.output.record,
        cog=if_wanted(LAYOUT.cog),
        preview=if_wanted(LAYOUT.preview),
    output:
        item=LAYOUT.item,
    log:
        f"{LAYOUT.logs}/item/{{tile}}_{{direction}}_{{month}}.log",
    priority: 70_000_000
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=400,
        runtime=10,
    params:
        cube=LAYOUT.cube,
        formats=SETTINGS.output.formats.model_dump(),
        version=product_version("stac"),
    script:
        "../scripts/item.py"
