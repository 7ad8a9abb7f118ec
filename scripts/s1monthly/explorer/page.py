"""The page: a tab to look at what was made, and one to make more."""

from __future__ import annotations

from functools import partial

from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.models import CustomJS

from s1monthly.explorer.configuration import ConfigurationFile
from s1monthly.explorer.map_tab import MapTab
from s1monthly.explorer.run_tab import MILLISECONDS, RunTab
from s1monthly.explorer.running import Runner
from s1monthly.explorer.style import NAME_SLIDERS, TEMPLATE


def build_page(document: Document, output_dir: str, runner: Runner, configfile: str | None = None) -> None:
    """Fill the document of a visit.

    Parameters
    ----------
    document : Document
        An empty one.
    output_dir : str
        Output tree.
    runner : Runner
        Runs of the explorer, the same on all its pages.
    configfile : str, optional
        Configuration to edit; that of the output tree where not given.
    """
    document.title = "s1monthly explorer"
    document.template = TEMPLATE
    document.template_variables["output_dir"] = output_dir
    document.js_on_event(DocumentReady, CustomJS(code=NAME_SLIDERS))
    look = MapTab(document, output_dir)
    read_tree = partial(look.actor.do, look.read_tree)
    run = RunTab(ConfigurationFile.of(output_dir, configfile), runner, on_finished=read_tree)
    run.layout.name = "run"
    document.add_periodic_callback(run.update, MILLISECONDS)
    for root in (look.status, look.controls.layout(), look.map.figure, look.series.layout(), run.layout):
        document.add_root(root)
