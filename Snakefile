"""Monthly Sentinel-1 composites: search -> bursts -> composite -> cube -> publish -> catalog."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.17")

sys.path.insert(0, f"{workflow.basedir}/scripts")

if not config:
    if not os.path.exists("config/config.yaml"):
        raise WorkflowError(
            "no configuration: there is no config/config.yaml in this folder -> give one: --configfile my.yaml"
        )

    configfile: "config/config.yaml"


include: "rules/plan.smk"
include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/acquire.smk"
include: "rules/compose.smk"
include: "rules/publish.smk"
include: "rules/catalog.smk"
include: "rules/tools.smk"
include: "rules/running.smk"


localrules:
    all,
    search,
    cube,
    tile_catalog,
    catalog,


rule all:
    default_target: True
    input:
        final_output,


onstart:
    begin_run()
    RUN.lift_job_rate()


onsuccess:
    tell_the_outcome()
    release_tiles()


onerror:
    catalog_what_is_finished()
    tell_the_outcome()
    release_tiles()
