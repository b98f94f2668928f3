"""The page in a browser, with words for what a reader does and sees."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect

#: Counts of clearly cool (long) and warm (short) pixels in a part of the map's canvases, given as fractions.
COUNT_COLOURS = """
([left, top, right, bottom]) => {
  const count = { cool: 0, warm: 0, sum: 0 };
  for (const canvas of document.querySelectorAll('#chart canvas')) {
    if (canvas.width < 300 || canvas.height < 200) continue;
    const x = Math.floor(canvas.width * left), y = Math.floor(canvas.height * top);
    const width = Math.floor(canvas.width * (right - left)), height = Math.floor(canvas.height * (bottom - top));
    const data = canvas.getContext('2d').getImageData(x, y, width, height).data;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 0) continue;
      const red = data[i], blue = data[i + 2];
      count.sum = (count.sum * 31 + red * 3 + data[i + 1] * 5 + blue * 7) % 2147483647;
      if (blue > red + 35) count.cool++;
      if (red > blue + 35) count.warm++;
    }
  }
  return count;
}
"""
MAP = (0.0, 0.0, 0.85, 1.0)
NOW = (0.92, 0.0, 1.0, 1.0)


class PageUnderTest:
    """A tab of its own, closed at the end of ``with``."""

    def __init__(
        self, browser: Browser, url: str, width: int = 1440, height: int = 900, seen_guide: bool = True
    ) -> None:
        self.url = url
        self.context = browser.new_context(locale="en-US", viewport={"width": width, "height": height})
        if seen_guide:
            self.context.add_init_script("try { localStorage.setItem('liqheat-guide-seen', '1'); } catch {}")
        self.tab: Page = self.context.new_page()
        self.tab.set_default_timeout(30_000)
        self.console_errors: list[str] = []
        self.requested: list[str] = []
        self.tab.on("console", self._heard)
        self.tab.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.tab.on("request", lambda request: self.requested.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        # The tests themselves read canvases back, which Chromium remarks upon.
        if message.type in ("error", "warning") and not message.text.startswith("Canvas2D"):
            self.console_errors.append(message.text)

    def __enter__(self) -> PageUnderTest:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open(self, query: str = "", wait: bool = True) -> None:
        """Open the page; with ``wait`` until the map of the stream is on it."""
        self.tab.goto(self.url + query)
        if wait:
            self.ready()

    def ready(self) -> None:
        expect(self.tab.locator("#mark")).not_to_be_empty()
        expect(self.tab.locator("#empty")).to_be_hidden()
        expect(self.tab.locator("#map")).to_have_attribute("aria-busy", "false")
        expect(self.tab.locator(".cluster").first).to_be_visible()
        self.settle()

    def settle(self) -> None:
        """Wait for two frames to be drawn."""
        self.tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for a condition to hold, while the page works on."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.tab.wait_for_timeout(50)

    def colours(self, part: tuple[float, float, float, float] = MAP) -> dict[str, Any]:
        self.settle()
        counts: dict[str, Any] = self.tab.evaluate(COUNT_COLOURS, list(part))
        return counts

    def text(self, selector: str) -> str:
        return self.tab.locator(selector).inner_text()

    def query(self) -> dict[str, str]:
        """The state that the address says."""
        values: dict[str, str] = self.tab.evaluate("() => Object.fromEntries(new URLSearchParams(location.search))")
        return values
