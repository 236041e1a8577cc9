"""The pages in a real browser: charts are drawn, what changes shows without a reload, a phone sees all of it."""

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

    for path in ("experiments/team/demo", "searches/team/hunt"):
        browser.open(f"{site.url}/{path}")
        browser.wait_until(f"{CHARTS} && {DRAWN}")
        browser.screenshot(path.replace("/", "-"))
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
    browser.wait_until("document.querySelector('#curves-rte').data.at(-1).y[0] === 0.9")
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

    for path in ("", "experiments/team/demo", "searches/team/hunt"):
        browser.open(f"{site.url}/{path}")
        browser.wait_until(DRAWN)
        browser.screenshot(f"phone-{'dark' if dark else 'light'}-{path.replace('/', '-')}")
        assert browser.run(TOO_WIDE) <= 0


def test_a_report_is_shown_within_its_policy(store: DirectoryStore, site: Site, browser: Browser) -> None:
    finished_experiment(store, "other", 0.7, 0.8)

    browser.open(f"{site.url}/experiments/team/other/files/report.html")

    assert "team/other" in browser.run("document.body.innerText")
    assert browser.problems == []
