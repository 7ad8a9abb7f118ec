"""Publish the tree at the end of a run, if publish.url is given; and a target that does so at any time.

"publish" is the rule that makes COG, preview and Item of a month; what copies them away is "upload".
"""


rule upload_tree:
    """Publish what this run has catalogued."""
    input:
        rules.catalog.output,
        [tile.paths().tile_catalog for tile in PLAN.tiles],
    output:
        touch(uploaded()),
    log:
        f"{LAYOUT.logs}/upload_tree/upload_tree.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=1500,
        runtime=1440,
    params:
        # functions of `output`, see `start_of`
        command=lambda wildcards, output: tool_command("upload"),
        held=lambda wildcards, output: held_folders(),
        config=lambda wildcards, output: json.dumps(GIVEN),
    shell:
        "{params.command} --configfile <(printf %s {params.config:q}) --held {params.held} 2>&1 | tee -- {log:q}"


rule upload:
    """Publish what is complete in the output tree."""
    log:
        f"{LAYOUT.logs}/tools/upload.log",
    localrule: True
    conda:
        "../envs/s1monthly.yaml"
    resources:
        mem_mb=1500,
        runtime=1440,
    params:
        command=tool_command("upload"),
        config=json.dumps(GIVEN),
    shell:
        "{params.command} --configfile <(printf %s {params.config:q}) 2>&1 | tee -- {log:q}"
