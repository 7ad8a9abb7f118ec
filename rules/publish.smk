"""From band stacks to the cube and what is read back from it."""


rule cube:
    """One slot for every calendar month. The store itself is no output: Snakemake would delete it."""
    input:
        after_search,
    output:
        stamp=LAYOUT.slots,
    log:
        f"{LAYOUT.logs}/cube/{{tile}}_{{direction}}_{{slots}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/cube/{{tile}}_{{direction}}_{{slots}}.tsv"
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        cube=LAYOUT.cube,
        recipe=PLAN.recipe,
    script:
        "../scripts/cube.py"


rule append:
    input:
        slots_stamp,
        remake,
        stack=rules.stack.output.stack,
        pass_count=rules.composite.output.pass_count,
        account=rules.bursts.output.account,
    output:
        record=LAYOUT.record,
    log:
        f"{LAYOUT.logs}/append/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/append/{{tile}}_{{direction}}_{{month}}.tsv"
    priority: 50_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=20,
    params:
        cube=LAYOUT.cube,
        granules=LAYOUT.granules,
        granules_digest=granules_digest,
        recipe=PLAN.recipe,
    script:
        "../scripts/append.py"


rule cog:
    """Read back from the cube: can always be made again without a granule."""
    input:
        record=rules.append.output.record,
    output:
        cog=LAYOUT.cog,
    log:
        f"{LAYOUT.logs}/cog/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/cog/{{tile}}_{{direction}}_{{month}}.tsv"
    priority: 60_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: 1
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
        record=rules.append.output.record,
    output:
        preview=LAYOUT.preview,
    log:
        f"{LAYOUT.logs}/preview/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/preview/{{tile}}_{{direction}}_{{month}}.tsv"
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
        record=rules.append.output.record,
        cog=if_wanted(LAYOUT.cog),
        preview=if_wanted(LAYOUT.preview),
    output:
        item=LAYOUT.item,
    log:
        f"{LAYOUT.logs}/item/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/item/{{tile}}_{{direction}}_{{month}}.tsv"
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
