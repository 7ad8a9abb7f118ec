"""Parquet catalogs, root STAC Catalog and Collections: of everything in the output tree, not of this run alone.

They are replaced in one step: with `update`, Snakemake does not remove them first. Readers find the old ones until then,
also after a run that was killed.
"""


rule tile_catalog:
    input:
        month_items=items,
        static_files=static_files,
    output:
        catalog=update(LAYOUT.tile_catalog),
        items_table=update(LAYOUT.tile_items),
    log:
        f"{LAYOUT.logs}/tile_catalog/{{tile}}_{{direction}}.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        start=start_of("tile_catalog"),
        no_data=lambda w: [str(month) for month in tile_of(w).no_data],
    shell:
        jobs.command("output.catalog")


rule catalog:
    input:
        tiles=[tile.paths().tile_catalog for tile in PLAN.tiles],
    output:
        **(
            {"geopackage": update(LAYOUT.geopackage)}
            if SETTINGS.output.formats.geopackage
            else {}
        ),
        catalog=update(LAYOUT.catalog),
        items_table=update(LAYOUT.items),
        stac=[update(path) for path in PLAN.root_documents],
        coverage=in_report(
            update(LAYOUT.coverage),
            caption="report/coverage.rst",
            category="Coverage",
            labels={"table": "months of all tiles"},
        ),
    log:
        f"{LAYOUT.logs}/catalog/catalog.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        start=start_of("catalog"),
        public_url=PLAN.config.output.public_url or "",
    shell:
        jobs.command(
            "output.catalog",
            "params.public_url",
            *(["output.geopackage"] if SETTINGS.output.formats.geopackage else []),
        )


rule report_after_run:
    """Bring the web page of the output tree up to date, if output.formats.report wants it."""
    input:
        LAYOUT.catalog,
    output:
        page=update(LAYOUT.report_page),
        index=update(LAYOUT.report_index),
    log:
        f"{LAYOUT.logs}/report/report.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=500,
        runtime=20,
    params:
        command=lambda wildcards, output: report_command(),
    shell:
        "{params.command} > {log:q} 2>&1"
