"""What GRD products need besides themselves: heights on the grid of each tile."""


rule heights:
    """Made once a tile: again only if the DEM, its geoid, the grid or the options change."""
    output:
        heights=LAYOUT.heights,
    log:
        f"{LAYOUT.logs}/heights/{{tile}}_{{made_of}}.log",
    priority: 70_000_000
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=heights_mb,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        start=start_of("heights"),
    shell:
        jobs.command("wildcards.tile", "output.heights")
