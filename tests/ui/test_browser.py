"""The pages in a real browser: charts are drawn, what changes shows without a reload, a phone sees all of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune_store import DirectoryStore
from finetune_ui.sources import StoreSource
from finetune_ui.viewers import OneViewer
from support.browser import Browser, chromium
from support.filled_store import finish_rte, finished_experiment, running_experiment, running_search

from .conftest import Serve, Site

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (Debian's package chromium)")

FAILED = "experiments/team/demo/runs/rte/2"
PAGES = ("experiments/team/demo", "experiments/team/demo/runs/rte/1", FAILED, "searches/team/hunt")
COMPARED = "compare?of=team/demo&of=team/other&of=team/demo/rte/1"
DRAWN = "[...document.querySelectorAll('.chart')].every(one => one.querySelector('.main-svg'))"
CHARTS = "document.querySelectorAll('.chart .main-svg').length > 0"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def site(store: DirectoryStore, serve: Serve) -> Site:
    return serve(OneViewer(StoreSource(store)))


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        opened.size(1200, 900)
        yield opened


def test_all_charts_are_drawn_and_nothing_is_logged(store: DirectoryStore, site: Site, browser: Browser) -> None:
    running_experiment(store)
    running_search(store)

    finished_experiment(store, "other", 0.7, 0.8)
    for path in (*PAGES, COMPARED):
        browser.open(f"{site.url}/{path}")
        browser.wait_until(DRAWN if path == FAILED else f"{CHARTS} && {DRAWN}")
        browser.screenshot(re.sub(r"\W+", "-", path))
    browser.open(f"{site.url}/")
    browser.screenshot("list")

    assert browser.problems == []


def test_a_run_that_ends_shows_without_a_reload(store: DirectoryStore, site: Site, browser: Browser) -> None:
    plan = running_experiment(store)
    browser.open(f"{site.url}/experiments/team/demo")
    browser.wait_until(CHARTS)
    browser.run("window.kept = true; document.querySelector('.chart').dataset.kept = 'yes'")

    finish_rte(store, plan, 2, 0.9)

    browser.wait_until("document.body.innerText.includes('90.00 (best)')")
    browser.wait_until("document.querySelector('#curves-rte').data.at(-1).y[0] === 90")
    assert browser.run("window.kept && document.querySelector('.chart').dataset.kept") == "yes"


def test_a_server_that_went_away_is_told(store: DirectoryStore, site: Site, browser: Browser) -> None:
    running_experiment(store)
    browser.open(f"{site.url}/experiments/team/demo")
    browser.run("window.fetch = () => Promise.reject(new Error('gone'))")

    browser.wait_until("document.querySelector('#stale').textContent.includes('Not up to date')")

    assert "rte" in browser.run("document.body.innerText")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_tables_and_never_the_page(
    store: DirectoryStore, site: Site, browser: Browser, dark: bool
) -> None:
    running_experiment(store)
    running_search(store)
    browser.size(390, 844, phone=True, dark=dark)

    finished_experiment(store, "other", 0.7, 0.8)
    for path in ("", *PAGES, COMPARED):
        browser.open(f"{site.url}/{path}")
        browser.wait_until(DRAWN)
        browser.screenshot(re.sub(r"\W+", "-", f"phone-{'dark' if dark else 'light'}-{path}"))
        assert browser.run(TOO_WIDE) <= 0


def test_a_report_is_shown_within_its_policy(store: DirectoryStore, site: Site, browser: Browser) -> None:
    finished_experiment(store, "other", 0.7, 0.8)

    browser.open(f"{site.url}/experiments/team/other/files/report.html")

    assert "team/other" in browser.run("document.body.innerText")
    assert browser.problems == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_any_page(store: DirectoryStore, site: Site, browser: Browser, dark: bool) -> None:
    running_experiment(store)
    running_search(store)
    finished_experiment(store, "other", 0.7, 0.8)
    browser.size(1200, 900, dark=dark)

    found = {}
    for path in ("", "?group=kind&sort=-name", *PAGES, COMPARED):
        browser.open(f"{site.url}/{path}")
        browser.wait_until(DRAWN)
        found[path] = browser.violations()

    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_a_curve_is_chosen_and_smoothed_without_a_reload_and_the_address_says_so(
    store: DirectoryStore, site: Site, browser: Browser
) -> None:
    running_experiment(store)
    browser.open(f"{site.url}/experiments/team/demo/runs/rte/1")
    browser.wait_until("document.querySelector('#curve').data")
    browser.run("window.kept = true")
    assert browser.run("document.querySelector('#curve').data[0].y.slice(0, 2)") == [50, 65]

    browser.choose("input[name=smoothing]", "0.5")

    browser.wait_until("document.querySelector('#curve').data[0].y[1] === 60")
    assert browser.run("window.kept && location.search") == "?smoothing=0.5"


def test_the_list_is_sorted_and_searched_and_what_is_ticked_stays_ticked_and_is_compared(
    store: DirectoryStore, site: Site, browser: Browser
) -> None:
    for name, value in (("first", 0.6), ("second", 0.8)):
        finished_experiment(store, name, value, value + 0.1)
    running_search(store)
    rows = "[...document.querySelectorAll('tbody tr td:nth-child(2)')].map((one) => one.innerText)"
    browser.open(f"{site.url}/?sort=-score")
    assert browser.run(rows) == ["team/second", "team/first", "team/hunt"]

    browser.click("tbody input[value='team/second']")
    browser.choose("input[name=words]", "experiment")
    browser.wait_until(f"{rows}.length === 2")
    browser.click("tbody input[value='team/first']")
    browser.click("form[action='/compare'] button")

    browser.wait_until("document.querySelector('#curves-rte')?.data?.length >= 2")
    names = (
        "document.querySelector('#curves-rte').data.filter((one) => one.showlegend !== false).map((one) => one.name)"
    )
    assert browser.run(names) == ["team/second", "team/first"]
    assert browser.problems == []
