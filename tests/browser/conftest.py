"""A browser with the page in front of a made-up api."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chromium import NODE, find_chromium
from fake_api import STATIC, FakeApi, FakeApiServer
from page_under_test import PageUnderTest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the run."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: run `make web`, which installs one for Linux x86_64, or install chromium")
    if not (STATIC / "index.html").is_file():
        pytest.fail("the page is not built: run `make web`")
    # The node that comes with playwright needs a library that bare machines lack.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(NODE)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable,
            args=["--no-sandbox"],
            env={**os.environ, **chromium.environment},
        )
        yield browser
        browser.close()


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    """A made-up api with its switches."""
    fake = FakeApi()
    with FakeApiServer(fake) as server:
        fake.url = server.url
        yield fake


@pytest.fixture
def page(browser: Browser, fake: FakeApi) -> Iterator[PageUnderTest]:
    """The page at 1440 x 900, not opened yet, past its first visit."""
    with PageUnderTest(browser, fake.url) as page:
        yield page
