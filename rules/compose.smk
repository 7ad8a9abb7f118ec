"""From pass mosaics to the band stack of a month."""


rule composite:
    input:
        passes=rules.mosaic.output.passes,
    output:
        composite=temp(LAYOUT.composite),
        pass_count=temp(LAYOUT.count),
    log:
        f"{LAYOUT.logs}/composite/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/composite/{{tile}}_{{direction}}_{{month}}.tsv"
    priority: 30_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=20,
    params:
        recipe=recipe_parts("algorithms", "composite", "roi_mask"),
    script:
        "../scripts/composite.py"


rule stack:
    input:
        composite=rules.composite.output.composite,
    output:
        stack=temp(LAYOUT.stack),
    log:
        f"{LAYOUT.logs}/stack/{{tile}}_{{direction}}_{{month}}.log",
    benchmark:
        f"{LAYOUT.logs}/benchmark/stack/{{tile}}_{{direction}}_{{month}}.tsv"
    priority: 40_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: 1600 * attempt,
        runtime=20,
    params:
        recipe=recipe_parts(
            "algorithms", "despeckle", "level", "polarization", "textures"
        ),
    script:
        "../scripts/stack.py"
