"""Parquet catalogs and the STAC Collection: of everything in the output tree, not of this run alone.

They are replaced in one step: with `update`, Snakemake does not remove them first. Readers find the old ones until then,
also after a run that was killed.
"""


rule tile_catalog:
    input:
        month_items=items,
    output:
        catalog=update(LAYOUT.tile_catalog),
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
        catalog=update(LAYOUT.catalog),
        collection=update(LAYOUT.collection),
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
        mem_mb=500,
        runtime=10,
    params:
        start=start_of("catalog"),
    shell:
        jobs.command("output.catalog")
