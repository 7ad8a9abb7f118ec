"""How the page looks: its template and the styles of its widgets. Nothing is fetched from elsewhere."""

from __future__ import annotations

from jinja2 import Template

WIDGETS = """
:host { --font-size: 14px; font-size: 14px; color: #1b1b1b; }
h2 { font-size: 13px; margin: 0; text-transform: uppercase; letter-spacing: 0.06em; color: #44505c;
     border-bottom: 1px solid #c9d1d9; padding-bottom: 2px; }
p { margin: 2px 0; line-height: 1.4; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
caption { text-align: left; padding: 2px 0; color: #44505c; }
th, td { text-align: left; padding: 3px 8px 3px 0; border-bottom: 1px solid #dde2e7; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.bk-btn { padding: 5px 4px; }
.bk-btn.bk-active { background: #0b57a4; border-color: #0b57a4; color: #fff; }
.bk-btn:focus-visible, .bk-input:focus-visible, .noUi-handle:focus-visible {
  outline: 3px solid #0b57a4; outline-offset: 1px; }
"""
"""Style sheet of every widget."""

TEMPLATE = Template(
    """
{% from macros import embed %}
{% extends base %}
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval';
 style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;
 connect-src 'self' ws://127.0.0.1:* ws://localhost:*; object-src 'none'; base-uri 'none'; form-action 'none'">
<style>
  body { font-family: system-ui, "Helvetica Neue", Arial, sans-serif; font-size: 14px; color: #1b1b1b;
         background: #f5f7f9; }
  header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; background: #12293f; color: #fff;
           padding: 8px 14px; }
  header h1 { font-size: 17px; margin: 0; font-weight: 600; }
  header span { color: #d5e0ea; overflow-wrap: anywhere; }
  nav { margin-left: auto; display: flex; gap: 6px; }
  nav button { font: inherit; color: #fff; background: transparent; border: 1px solid #8fa6bb; border-radius: 4px;
               padding: 5px 16px; cursor: pointer; }
  nav button[aria-selected="true"] { background: #fff; color: #12293f; border-color: #fff; font-weight: 600; }
  nav button:focus-visible { outline: 3px solid #ffd24d; outline-offset: 2px; }
  #status { padding: 4px 14px; min-height: 22px; background: #fff; border-bottom: 1px solid #c9d1d9; }
  #tab_map { display: grid; grid-template-columns: 270px minmax(0, 1fr) minmax(340px, 32%); gap: 8px; padding: 8px; }
  #tab_map > section, #tab_run { background: #fff; border: 1px solid #d5dce3; border-radius: 6px; padding: 6px; }
  #map { height: calc(100vh - 106px); min-height: 480px; display: flex; position: sticky; top: 8px; }
  #controls, #series { max-height: calc(100vh - 106px); overflow: auto; }
  #tab_run { margin: 8px; }
  [hidden] { display: none !important; }
  @media (max-width: 1000px) {
    #tab_map { grid-template-columns: 260px minmax(0, 1fr); }
    #series { grid-column: 1 / -1; max-height: none; }
  }
  @media (max-width: 700px) {
    #tab_map { grid-template-columns: minmax(0, 1fr); padding: 4px; }
    #controls, #series { max-height: none; }
    #map { height: 86vw; min-height: 420px; order: -1; position: static; }
  }
</style>
{% endblock %}
{% block contents %}
<header><h1>s1monthly explorer</h1><span>{{ output_dir | e }}</span>
  <nav role="tablist" aria-label="Tabs">
    <button role="tab" id="open_map" aria-controls="tab_map" aria-selected="true">Map</button>
    <button role="tab" id="open_run" aria-controls="tab_run" aria-selected="false">Run</button>
  </nav></header>
<div id="status" role="status" aria-live="polite">{{ embed(roots.status) }}</div>
<main>
  <div id="tab_map" role="tabpanel" aria-labelledby="open_map">
    <section id="controls" aria-label="Controls">{{ embed(roots.controls) }}</section>
    <section id="map" aria-label="Map">{{ embed(roots.map) }}</section>
    <section id="series" aria-label="Series">{{ embed(roots.series) }}</section>
  </div>
  <div id="tab_run" role="tabpanel" aria-labelledby="open_run" hidden>{{ embed(roots.run) }}</div>
</main>
<script>
  const tabs = [...document.querySelectorAll("nav button")]
  const open = (chosen) => tabs.forEach((tab) => {
    tab.setAttribute("aria-selected", tab === chosen)
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen
  })
  tabs.forEach((tab, k) => {
    tab.addEventListener("click", () => open(tab))
    tab.addEventListener("keydown", (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key]
      if (step) { const next = tabs[(k + step + tabs.length) % tabs.length]; next.focus(); open(next) }
    })
  })
</script>
{% endblock %}
"""
)

NAME_SLIDERS = """
const name = (root) => root.querySelectorAll("*").forEach((one) => {
  if (one.shadowRoot) name(one.shadowRoot)
  if (!one.matches(".noUi-handle")) return
  const title = one.closest(".bk-input-group").querySelector(".bk-slider-title").firstChild.textContent
  one.setAttribute("aria-label", title.replace(/: $/, ""))
})
name(document)
"""
"""JavaScript that gives sliders the names that Bokeh leaves out, for screen readers."""
