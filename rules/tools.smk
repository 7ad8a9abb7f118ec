"""The operator's tools: targets of their own, run when asked for; each is a plain script too.

Their options are given in one string, spelled as for the script:
snakemake mosaic_tiles --cores 1 --configfile my.yaml --config options="--month 2024-05 --direction ALL"

They have no output: Snakemake would take it for a reason not to run them a second time.
"""


rule catalog_rebuild:
    """Make the catalogs and the Collection again from what lies in the output tree."""
    log:
        f"{LAYOUT.logs}/tools/catalog_rebuild.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=audit_mb,
        runtime=60,
    params:
        command=tool_command("catalog_rebuild"),
        base_dir=LAYOUT.base_dir,
    shell:
        "{params.command} --output-dir={params.base_dir:q} 2>&1 | tee -- {log:q}"


rule catalog_validate:
    """Check that catalogs, records, Items and files agree."""
    log:
        f"{LAYOUT.logs}/tools/catalog_validate.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=audit_mb,
        runtime=600,
    params:
        command=tool_command("catalog_validate"),
        base_dir=LAYOUT.base_dir,
    shell:
        "{params.command} --output-dir={params.base_dir:q} 2>&1 | tee -- {log:q}"


rule catalog_inspect:
    """Say how complete every tile and direction is."""
    log:
        f"{LAYOUT.logs}/tools/catalog_inspect.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        command=tool_command("catalog_inspect"),
        base_dir=LAYOUT.base_dir,
        work_dir=own_work_dir(),
    shell:
        "{params.command} --output-dir={params.base_dir:q} {params.work_dir} 2>&1 | tee -- {log:q}"


rule tile_inspect:
    """Say of every month of a tile whether it is there, and if not, why."""
    log:
        f"{LAYOUT.logs}/tools/tile_inspect.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        command=tool_command("tile_inspect"),
        config=json.dumps(GIVEN),
    shell:
        "{params.command} --configfile <(printf %s {params.config:q}) 2>&1 | tee -- {log:q}"


rule mosaic_tiles:
    """Make one map of the COGs of a month."""
    log:
        f"{LAYOUT.logs}/tools/mosaic_tiles.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=1500,
        runtime=600,
    params:
        command=tool_command("mosaic_tiles"),
        base_dir=LAYOUT.base_dir,
    shell:
        "{params.command} --output-dir={params.base_dir:q} 2>&1 | tee -- {log:q}"


rule timeseries:
    """Write the series of points or polygons, as a table and a figure."""
    log:
        f"{LAYOUT.logs}/tools/timeseries.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=1500,
        runtime=600,
    params:
        command=tool_command("timeseries"),
        base_dir=LAYOUT.base_dir,
    shell:
        "{params.command} --output-dir={params.base_dir:q} 2>&1 | tee -- {log:q}"


rule change:
    """Map the changes of a band through all months of a cube."""
    log:
        f"{LAYOUT.logs}/tools/change.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    threads: 2
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        command=tool_command("change"),
        base_dir=LAYOUT.base_dir,
    shell:
        "{params.command} --output-dir={params.base_dir:q} 2>&1 | tee -- {log:q}"


rule report:
    """Build the web page of the output tree, or bring it up to date."""
    log:
        f"{LAYOUT.logs}/tools/report.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        command=report_command(),
    shell:
        "{params.command} 2>&1 | tee -- {log:q}"
