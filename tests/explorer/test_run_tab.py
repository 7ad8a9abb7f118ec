"""The tab Run in a browser: a run started there makes the same bytes as one started by hand, and only what it may."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from s1monthly.explorer.configuration import ConfigurationFile
from s1monthly.explorer.run_tab import RunTab
from s1monthly.explorer.running import Runner
from support.runs import add, config
from support.same_tree import content
from support.workflow import ROOT, run_snakemake

NAME = "it's $(touch pwned)"
"""Folder of the explorer: a name with which a shell would do something."""

MONTH = {"start": "2021-11", "end": "2021-11"}
LONGER = {"start": "2021-11", "end": "2022-02"}
PATIENCE = 60_000.0
"""Milliseconds for what a run does; the machine may be busy."""


@dataclass
class Explorer:
    """An explorer at work.

    Attributes
    ----------
    folder : Path
        Its folder, with granules, ``my.yaml`` and the output tree ``output``.
    address : str
        Address of its page.
    """

    folder: Path
    address: str
    process: subprocess.Popen[str]

    def page(self, browser: Browser, width: int = 1400) -> Page:
        """Open the tab Run."""
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(10_000)
        page.goto(self.address)
        page.get_by_text("Run", exact=True).first.click()
        expect(page.get_by_label("Configuration (YAML)")).to_be_visible()
        return page


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """An explorer in a folder with granules and a configuration."""
    folder = tmp_path_factory.mktemp("explorer") / NAME
    folder.mkdir()
    add(folder, "2021-11")
    (folder / "my.yaml").write_text(yaml.safe_dump(config(time=MONTH)))
    words = [sys.executable, str(ROOT / "scripts" / "explore.py"), "--no-browser", "--configfile", "my.yaml"]
    with subprocess.Popen(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        yield Explorer(folder, process.stdout.readline().strip(), process)
        process.terminate()
        process.communicate(timeout=30)


def write(page: Page, text: str) -> None:
    page.get_by_label("Configuration (YAML)").fill(text)
    page.get_by_role("button", name="Check").click()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def shows(page: Page, text: str) -> None:
    expect(page.get_by_text(text)).to_be_visible(timeout=PATIENCE)


def log_says(page: Page, text: str) -> None:
    expect(page.get_by_role("log")).to_contain_text(text, timeout=PATIENCE)


def test_the_map_is_told_when_a_run_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner, ended = Runner("output"), []
    tab = RunTab(ConfigurationFile.of("output"), runner, lambda: ended.append(runner.returncode))
    for code, preview, told in ((0, True, []), (3, False, [3]), (0, False, [3, 0])):
        runner.start([sys.executable, "-c", f"import time; time.sleep(0.1); raise SystemExit({code})"], preview=preview)
        while runner.running:
            tab.update()
        tab.update()
        assert ended == told


def test_a_tree_with_a_link_out_of_it_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/.s1monthly").symlink_to(tmp_path)
    words = [sys.executable, str(ROOT / "scripts" / "explore.py"), "--no-browser"]
    ended = subprocess.run(words, cwd=tmp_path, text=True, stderr=subprocess.PIPE, check=False, timeout=60)
    assert ended.returncode == 1 and "a symbolic link leads to" in ended.stderr


def test_what_cannot_be_run_is_refused_in_words(browser: Browser, explorer: Explorer) -> None:
    page = explorer.page(browser, width=390)
    good = page.get_by_label("Configuration (YAML)").input_value()
    assert yaml.safe_load(good) == config(time=MONTH)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for wrong, says in {
        "base_dir: output/../elsewhere": "the explorer shows another output tree, output",
        "base_dir: '<img src=x onerror=document.title=1>'": "which Snakemake replaces",
    }.items():
        write(page, good.replace("base_dir: output", wrong))
        shows(page, says)
        press(page, "Start run")
        expect(page.get_by_text(says)).to_have_count(2)
    assert page.evaluate((ROOT / "tests/support/contrast.js").read_text(), ":disabled") == []
    assert page.locator("img").count() == 0 and page.title() != "1"
    write(page, good + "# more\n")
    shows(page, "No problem found. Not saved yet.")
    press(page, "Start run")
    shows(page, "the text above is not what is saved there -> save it")
    (explorer.folder / "my.yaml").write_text(good + "# theirs\n")
    shows(page, "my.yaml: another program has changed it. Open it again.")
    press(page, "Save")
    shows(page, "nothing was saved")
    press(page, "Open again")
    expect(page.get_by_label("Configuration (YAML)")).to_have_value(good + "# theirs\n")
    write(page, good)
    press(page, "Save")
    page.evaluate("Bokeh.documents[0].get_model_by_name('profile').value = 'slurm; touch pwned'")
    press(page, "Preview")
    expect(page.get_by_text("profile 'slurm; touch pwned': there is none -> choose one of slurm")).to_have_count(2)
    page.close()


def test_a_run_from_the_page_makes_the_same_bytes(browser: Browser, explorer: Explorer, tmp_path: Path) -> None:
    page = explorer.page(browser)
    press(page, "Preview")
    shows(page, "Preview finished.")
    log_says(page, "11SLT ASCENDING: 1 not searched yet: 2021-11")
    page.get_by_label("Cores").focus()
    start = page.get_by_role("button", name="Start run").and_(page.locator(":focus"))
    for _ in range(5):  # jobs run on, command, preview, start: with the keyboard alone
        if not start.count():
            page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    shows(page, "Run at work")
    page.close()
    again = explorer.page(browser)
    shows(again, "Run finished.")
    log_says(again, "11SLT ASCENDING: 1 made -> output/11SLT_ASCENDING")
    again.close()
    add(tmp_path, "2021-11")
    run_snakemake(tmp_path, config(time=MONTH))
    assert content(explorer.folder / "output") == content(tmp_path / "output")
    assert not list(explorer.folder.rglob("pwned"))


def test_a_run_stops_by_its_button_and_when_the_explorer_ends(browser: Browser, explorer: Explorer) -> None:
    for month in ("2021-12", "2022-01", "2022-02"):
        add(explorer.folder, month)
    page = explorer.page(browser)
    write(page, yaml.safe_dump(config(time=LONGER)))
    press(page, "Save")
    shows(page, "No problem found. Saved.")
    press(page, "Start run")
    log_says(page, "bursts 11SLT ASCENDING 2021-12")
    press(page, "Stop")
    shows(page, "Run was stopped")
    assert len(list(explorer.folder.glob("output/11SLT_ASCENDING/months/*.json"))) < 4
    press(page, "Start run")
    shows(page, "Run at work")
    explorer.process.send_signal(signal.SIGINT)
    told = explorer.process.communicate(timeout=100)[0]
    assert "the run is stopped, as by Ctrl-C" in told and "Traceback" not in told, told
    group = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(explorer.folder) not in group and os.listdir(explorer.folder / "output/.s1monthly/runs") == ["lock"]
    page.close()
