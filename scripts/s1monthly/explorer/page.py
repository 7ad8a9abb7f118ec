"""The page: a tab to look at what was made, and one to make more."""

from __future__ import annotations

from bokeh.document import Document
from bokeh.models.layouts import TabPanel, Tabs
from bokeh.models.widgets import Div


def build_page(document: Document, output_dir: str) -> None:
    """Fill the document of a visit."""
    document.title = "s1monthly explorer"
    panels = [TabPanel(child=Div(text=output_dir), title="Map"), TabPanel(child=Div(text=""), title="Run")]
    document.add_root(Tabs(tabs=panels, sizing_mode="stretch_both"))
