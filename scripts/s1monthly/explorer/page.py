"""The page: a tab to look at what was made, and one to make more."""

from __future__ import annotations

from bokeh.document import Document
from bokeh.models.layouts import TabPanel, Tabs
from bokeh.models.widgets import Div

from s1monthly.explorer.configuration import ConfigurationFile
from s1monthly.explorer.run_tab import MILLISECONDS, RunTab
from s1monthly.explorer.running import Runner


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
    run = RunTab(ConfigurationFile.of(output_dir, configfile), runner)
    document.add_periodic_callback(run.update, MILLISECONDS)
    panels = [TabPanel(child=Div(text=output_dir), title="Map"), TabPanel(child=run.layout, title="Run")]
    document.add_root(Tabs(tabs=panels, sizing_mode="stretch_both"))
