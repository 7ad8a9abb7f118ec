"""Monthly Sentinel-1 composites: search -> bursts -> composite -> cube -> publish -> catalog."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.17")

# the library beside this file; an installed package, or a Snakefile that is read from the web, has none there
if os.path.isdir(f"{workflow.current_basedir}/scripts/s1monthly"):
    sys.path.insert(0, f"{workflow.current_basedir}/scripts")
try:
    from s1monthly.errors import WINDOWS
except ModuleNotFoundError:
    raise WorkflowError(
        "s1monthly is not installed beside Snakemake -> pip install git+<address of the repository>, the version of"
        " this Snakefile"
    ) from None
if sys.platform == "win32":
    raise WorkflowError(WINDOWS)

if not config:
    if not os.path.exists("config/config.yaml"):
        raise WorkflowError(
            "no configuration: there is no config/config.yaml in this folder -> give one: --configfile my.yaml"
        )

    configfile: "config/config.yaml"


report: "rules/report/workflow.rst"


include: "rules/plan.smk"
include: "rules/common.smk"
include: "rules/once.smk"
include: "rules/resources.smk"
include: "rules/acquire.smk"
include: "rules/static.smk"
include: "rules/grd.smk"
include: "rules/compose.smk"
include: "rules/publish.smk"
include: "rules/catalog.smk"
include: "rules/upload.smk"
include: "rules/tools.smk"
include: "rules/running.smk"


rule all:
    input:
        final_output,
    localrule: True


onstart:
    begin_run()
    RUN.lift_job_rate()


onsuccess:
    tell_the_outcome()
    end_run()


onerror:
    catalog_what_is_finished()
    report_what_failed()
    tell_the_outcome()
    end_run()


RUN.call_handlers_of_module(onstart, onsuccess, onerror)
