"""From per-burst GeoTIFFs to the month in the cube."""


rule cube:
    """One slot for every calendar month. The store itself is no output: Snakemake would delete it."""
    input:
        after_search,
    output:
        stamp=LAYOUT.slots,
    log:
        f"{LAYOUT.logs}/cube/{{tile}}_{{direction}}_{{slots}}.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        start=start_of("cube"),
        cube=LAYOUT.cube,
        recipe=recipe_of,
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "wildcards.slots",
            "params.cube",
            "output.stamp",
        )


rule reference:
    """Mean of the plain composites of the reference period (rabasar): made once, before all months of its cube."""
    input:
        bursts=reference_bursts("bursts"),
        accounts=reference_bursts("account"),
        statics=reference_static,
    output:
        mean=LAYOUT.reference,
        facts=LAYOUT.reference_facts,
    log:
        f"{LAYOUT.logs}/reference/{{tile}}_{{direction}}.log",
    priority: 55_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: compute_threads
    resources:
        mem_mb=memory_mb("composite"),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        start=start_of("reference"),
        months=reference_months,
        recipe=recipe_of,
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "params.months",
            "output.mean",
            "output.facts",
        )


rule composite:
    """Pass mosaics, their composite, despeckled; its bands into the month's slot of the cube; then the record."""
    input:
        slots_stamp,
        compose_again,
        reference_made,
        static_needed,
        bursts=rules.bursts.output.bursts,
        account=rules.bursts.output.account,
    output:
        record=LAYOUT.record,
    log:
        f"{LAYOUT.logs}/composite/{{tile}}_{{direction}}_{{month}}.log",
    priority: 50_000_000
    conda:
        "../envs/s1monthly.yaml"
    threads: compute_threads
    resources:
        mem_mb=memory_mb("composite"),
        runtime=lambda w, attempt: 20 * attempt,
        temp_mb=temporary_mb,
    params:
        start=start_of("composite"),
        cube=LAYOUT.cube,
        granules_digest=granules_digest,
        recipe=recipe_of,
    shell:
        jobs.command(
            "wildcards.tile",
            "wildcards.direction",
            "wildcards.month",
            "input.bursts",
            "input.account",
            "params.granules_digest",
            "params.cube",
            "output.record",
        )
