"""The page in a real browser, in front of a made-up api."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from fake_api import FakeApi
from page_under_test import MAP, NOW, PageUnderTest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

#: Fingerprint of the pixels of the lower pane.
LOWER_PIXELS = """
() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  let sum = 0;
  for (const canvas of document.querySelectorAll('#chart canvas')) {
    if (canvas.width < 300 || canvas.height > 200 || canvas.height < 60) continue;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + data[i + 1] * 3) % 2147483647;
  }
  done(sum);
})))
"""


def test_it_loads_without_an_error_and_asks_nobody_else(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    page.tab.wait_for_timeout(500)
    assert page.console_errors == []
    origin = urlsplit(fake.url).netloc
    assert len(page.requested) > 8
    assert {urlsplit(url).netloc for url in page.requested} == {origin}


def test_the_map_is_warm_above_and_cool_below(page: PageUnderTest) -> None:
    page.open("?coin=ETH")
    whole, bars = page.colours(MAP), page.colours(NOW)
    for counts in (whole, bars):
        assert counts["cool"] > 500, counts
        assert counts["warm"] > 500, counts
    assert page.text("#mark") == "3,812.0"
    assert page.text("#clusters .mark-row") == "mark 3,812.0"
    rows = page.tab.locator(".cluster")
    first, last = rows.first.get_attribute("class") or "", rows.last.get_attribute("class") or ""
    assert "short" in first.split()
    assert "long" in last.split()


def test_it_fits_the_screen_and_the_map_has_three_quarters_of_it(page: PageUnderTest, fake: FakeApi) -> None:
    fake.phase = "replay"  # with a sentence across the page
    page.open()
    expect(page.tab.locator(".record-chart")).to_be_visible()
    size = page.tab.evaluate(
        "() => [document.documentElement.scrollHeight, document.documentElement.scrollWidth,"
        " document.querySelector('.map').getBoundingClientRect().width,"
        " document.querySelector('.side').scrollHeight - document.querySelector('.side').clientHeight]"
    )
    assert size[0] <= 900
    assert size[1] <= 1440
    assert 0.74 <= size[2] / 1440 <= 0.8
    assert size[3] <= 0, "the panels scroll"


def test_coin_scope_and_timeframe_change_the_address_and_the_data(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    assert page.query() == {"coin": "BTC", "scope": "aggregated", "timeframe": "4h"}
    before = page.colours()["sum"]
    page.tab.select_option("#coin", "SOL")
    expect(page.tab.locator("#mark")).to_have_text("164.30")
    assert page.query()["coin"] == "SOL"
    page.tab.select_option("#scope", "bybit")
    page.ready()
    page.tab.get_by_role("button", name="1h", exact=True).click()
    page.ready()
    assert page.query() == {"coin": "SOL", "scope": "bybit", "timeframe": "1h"}
    assert any("/v1/heatmap/SOL?scope=bybit&timeframe=1h" in path for path in fake.requests)
    assert any("/v1/stream?coin=SOL&scope=bybit" in path for path in fake.requests)
    assert page.colours()["sum"] != before
    page.tab.go_back()
    page.ready()
    assert page.query()["timeframe"] == "4h"
    expect(page.tab.get_by_role("button", name="4h", exact=True)).to_have_attribute("aria-pressed", "true")


def test_an_address_opens_what_it_says(page: PageUnderTest) -> None:
    page.open("?coin=XRP&scope=binance&timeframe=12h&intensity=100000-5000000")
    assert page.tab.locator("#coin").input_value() == "XRP"
    assert page.tab.locator("#scope").input_value() == "binance"
    low = page.text("#intensity-low")
    assert re.fullmatch(r"\$(9\d\.\d|10\d)\sK", low), low


def test_the_read_out_says_price_time_dollars_and_side(page: PageUnderTest) -> None:
    page.open()
    chart = page.tab.locator("#chart").bounding_box()
    assert chart is not None
    page.tab.mouse.move(chart["x"] + 500, chart["y"] + 240)
    readout = page.tab.locator("#readout")
    expect(readout).to_be_visible()
    text = readout.inner_text()
    assert re.search(r"\d{2,3},\d{3}", text), text
    assert re.search(r"\d{1,2} [A-Z][a-z]{2} \d\d:\d\d–\d\d:\d\d UTC", text), text
    assert re.search(r"\$[\d.]+\s?[KMB]? (longs|shorts)|\$0", text), text
    assert "estimated" in text
    page.tab.mouse.move(chart["x"] + 930, chart["y"] + 140)
    expect(readout).to_contain_text("now")
    assert re.search(r"\$[\d.]+\s[KMB]\s*estimated shorts from the mark to here", readout.inner_text())
    page.tab.mouse.move(5, 5)
    expect(readout).to_be_hidden()


def test_the_slider_recolours_the_map_quickly_and_shows_dollars(page: PageUnderTest) -> None:
    page.open()
    before, low_before = page.colours(), page.text("#intensity-low")
    page.tab.locator("#low").focus()
    recolours = []
    for _ in range(25):
        page.tab.keyboard.press("ArrowRight")
        page.settle()
        recolours.append(page.tab.evaluate("() => performance.getEntriesByName('liqheat-recolour').at(-1).duration"))
    after = page.colours()
    assert after["sum"] != before["sum"]
    assert after["cool"] + after["warm"] < before["cool"] + before["warm"]
    assert page.text("#intensity-low") != low_before
    assert page.text("#intensity-low").startswith("$")
    assert "intensity" in page.query()
    # The quicker half: the others measure what else the machine is doing.
    assert sorted(recolours)[12] < 10, recolours


def test_the_handles_cannot_cross(page: PageUnderTest) -> None:
    page.open()
    page.tab.locator("#low").focus()
    page.tab.keyboard.press("End")
    low, high = (int(page.tab.locator(f"#{name}").input_value()) for name in ("low", "high"))
    assert low < high


def test_a_grid_from_the_stream_moves_the_mark_and_the_bars(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    mark, bars = page.text("#mark"), page.colours(NOW)["sum"]
    fake.tick("BTC", 0.012)
    expect(page.tab.locator("#mark")).not_to_have_text(mark)
    expect(page.tab.locator("#mark")).to_have_text("72,282")
    expect(page.tab.locator("#clusters .mark-row")).to_have_text("mark 72,282")
    assert page.colours(NOW)["sum"] != bars
    assert page.tab.title().startswith("BTC 72,282")


def test_a_closed_column_is_fetched_alone_and_appended(page: PageUnderTest, fake: FakeApi) -> None:
    page.open("?coin=BTC&timeframe=1m")
    before = page.colours()["sum"]
    fake.requests.clear()
    opened = fake.close_column("BTC", "1m")
    page.until(lambda: any("timeframe=1m" in path for path in fake.requests))
    page.tab.wait_for_timeout(300)  # time for one more than is needed to show
    asked = [path for path in fake.requests if "timeframe=1m" in path]
    assert len(asked) == 1, fake.requests
    assert f"from={opened}" in asked[0]
    page.until(lambda: page.colours()["sum"] != before)


def test_a_growing_map_is_framed_anew_until_the_reader_takes_hold_of_it(page: PageUnderTest, fake: FakeApi) -> None:
    left_edge = (0.0, 0.0, 0.1, 1.0)
    fake.columns_limit = 9
    page.open("?coin=BTC&timeframe=1h")
    bands_alone = page.colours(left_edge)["warm"]
    fake.columns_limit = None
    fake.resync()
    page.until(lambda: page.colours(left_edge)["warm"] > bands_alone + 1_000)
    page.tab.mouse.move(500, 400)
    page.tab.mouse.wheel(0, -600)
    page.tab.wait_for_timeout(200)
    page.tab.mouse.move(500, 401)
    when = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d\d:\d\d–\d\d:\d\d UTC")
    held = when.findall(page.text("#readout"))
    assert held
    fake.resync()
    page.tab.wait_for_timeout(600)
    page.tab.mouse.move(500, 402)
    assert when.findall(page.text("#readout")) == held


def test_a_reader_who_missed_something_fetches_everything_again(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    fake.requests.clear()
    fake.resync()
    wanted = (
        "/v1/grids/BTC",
        "/v1/clusters/BTC",
        "/v1/magnets/BTC",
        "/v1/heatmap/BTC?scope=aggregated&timeframe=4h",
    )
    page.until(lambda: all(any(request.startswith(path) for request in fake.requests) for path in wanted))
    assert page.console_errors == []


@pytest.mark.parametrize(
    ("phase", "label", "sentence"),
    [
        ("simulated", "SIMULATED", "No price here is real"),
        ("replay", "REPLAY", "This is not the market of today"),
        ("backfill", "BACKFILLING", "still being loaded"),
    ],
)
def test_data_that_is_not_live_says_so(
    page: PageUnderTest, fake: FakeApi, phase: str, label: str, sentence: str
) -> None:
    fake.phase = phase
    page.open()
    expect(page.tab.locator(".badge").first).to_have_text(label)
    expect(page.tab.locator("#notice")).to_contain_text(sentence)
    assert page.tab.title().startswith(f"[{label}]")
    if phase != "backfill":
        expect(page.tab.locator(".badge-detail")).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))


def test_live_data_is_called_live_and_has_an_age(page: PageUnderTest) -> None:
    page.open()
    expect(page.tab.locator(".badge")).to_have_text("LIVE")
    expect(page.tab.locator("#notice")).to_be_hidden()
    expect(page.tab.locator(".badge-detail")).to_contain_text(re.compile(r"\d\ss"))


def test_the_footer_says_how_much_of_the_liquidations_was_heard(page: PageUnderTest) -> None:
    page.open()
    heard = page.tab.locator("#provenance span", has_text="heard")
    expect(heard).to_have_text(re.compile(r"heard 97\.1\s% of 24 h"))
    expect(heard).to_have_attribute(
        "title", re.compile(r"binance \S+: .*throttled to the largest per second, about 41\s% of the dollars")
    )
    expect(heard).to_have_attribute("title", re.compile(r"hyperliquid \S+: no public feed of liquidations"))
    okx = page.tab.locator("#feeds .feed", has_text="okx")
    expect(okx).to_have_attribute("title", re.compile("the venue leaves some out"))


def test_the_footer_says_that_deleveraging_is_suspected(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    suspected = page.tab.locator("#provenance .warning")
    expect(page.tab.locator("#provenance span", has_text="heard")).to_be_visible()
    expect(suspected).to_have_count(0)
    fake.deleveraged_venue = "bybit"
    page.open()
    expect(suspected).to_have_text(re.compile(r"deleveraging suspected \d+ \w+ \d\d:\d\d"))
    expect(suspected).to_have_attribute("title", re.compile(r"bybit \S+: .* about \$120\sM of shorts"))


def test_a_partial_map_names_what_is_missing(page: PageUnderTest, fake: FakeApi) -> None:
    fake.incomplete = True
    page.open()
    expect(page.tab.locator(".badge").first).to_have_text("PARTIAL")
    expect(page.tab.locator("#notice")).to_contain_text("bybit lacks trades")


def test_every_state_has_a_colour_of_its_own(page: PageUnderTest) -> None:
    page.open()
    colours = page.tab.evaluate(
        """() => ['live', 'simulated', 'replay', 'backfill', 'stale', 'partial', 'doubt'].map(kind => {
          const badge = document.createElement('span');
          badge.className = `badge ${kind}`;
          document.body.append(badge);
          return getComputedStyle(badge).color;
        })"""
    )
    assert len(set(colours)) == 7, colours


def test_old_data_is_stale_and_the_map_fades_until_new_data_comes(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    chart = page.tab.locator("#chart")
    expect(chart).not_to_have_class(re.compile("faded"))
    fake.stall()
    expect(page.tab.locator(".badge").first).to_have_text("STALE")
    expect(page.tab.locator("#notice")).to_contain_text("price has moved on since")
    expect(chart).to_have_class(re.compile("faded"))
    fake.resume()
    expect(page.tab.locator(".badge").first).to_have_text("LIVE")
    expect(chart).not_to_have_class(re.compile("faded"))


def test_an_api_that_goes_away_is_named_and_comes_back_by_itself(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    fake.leave()
    expect(page.tab.locator(".badge").first).to_have_text("API AWAY")
    expect(page.tab.locator("#notice")).to_contain_text("Cannot reach the api, retrying")
    expect(page.tab.locator("#chart")).to_have_class(re.compile("faded"))
    fake.away = False
    expect(page.tab.locator(".badge").first).to_have_text("LIVE")
    fake.tick("BTC", -0.01)
    expect(page.tab.locator("#mark")).to_have_text("70,709")
    resumed = [headers for path, headers in fake.streams if "coin=BTC" in path][-1]
    assert re.fullmatch(r"\d+-0", resumed), resumed


def test_a_page_opened_while_the_api_is_away_waits_for_it(page: PageUnderTest, fake: FakeApi) -> None:
    fake.away_for_data = True
    page.open(wait=False)
    expect(page.tab.locator("#empty")).to_have_text("Cannot reach the api, retrying.")
    fake.away_for_data = False
    page.ready()


def test_no_coin_and_no_column_are_said_in_words(browser: Browser, page: PageUnderTest, fake: FakeApi) -> None:
    fake.coins = ()
    page.open(wait=False)
    expect(page.tab.locator("#empty")).to_contain_text("No coin yet")
    fake.columns_limit = 0
    fake.coins = ("BTC",)
    page.ready()
    expect(page.tab.locator("#hint")).to_contain_text("No closed 4h column yet: the first closes at")
    assert page.colours(NOW)["warm"] > 200
    assert page.console_errors == []
    page.tab.get_by_role("button", name="Show 15m").click()
    expect(page.tab.get_by_role("button", name="15m", exact=True)).to_have_attribute("aria-pressed", "true")


def test_a_coin_that_is_not_there_is_named(page: PageUnderTest) -> None:
    page.open("?coin=DOGE", wait=False)
    expect(page.tab.locator("#empty")).to_contain_text("There is no map of DOGE here")
    page.tab.select_option("#coin", "ETH")
    page.ready()


def test_keys_change_coin_timeframe_and_intensity(page: PageUnderTest) -> None:
    page.open()
    page.tab.keyboard.press("ArrowRight")
    page.ready()
    assert page.query()["coin"] == "ETH"
    page.tab.keyboard.press("ArrowLeft")
    page.tab.keyboard.press("ArrowLeft")
    page.ready()
    assert page.query()["coin"] == "PEPE"
    for key, timeframe in (("3", "1d"), ("7", "1m"), ("1", "4h")):
        page.tab.keyboard.press(key)
        assert page.query()["timeframe"] == timeframe
    page.ready()
    lit = page.colours()
    page.tab.keyboard.press("-")
    dimmer = page.colours()
    page.tab.keyboard.press("+")
    page.tab.keyboard.press("+")
    brighter = page.colours()
    assert dimmer["cool"] + dimmer["warm"] < lit["cool"] + lit["warm"] < brighter["cool"] + brighter["warm"]


def test_every_control_can_be_reached_and_has_a_name(page: PageUnderTest) -> None:
    page.open()
    nameless = page.tab.evaluate(
        """() => [...document.querySelectorAll('button, select, input, a, [role]')].filter(element =>
          !(element.getAttribute('aria-label') || element.getAttribute('aria-labelledby') ||
            element.textContent.trim() || element.hidden)).map(element => element.outerHTML)"""
    )
    assert nameless == []
    reached = set()
    for _ in range(30):
        page.tab.keyboard.press("Tab")
        reached.add(page.tab.evaluate("() => document.activeElement.id || document.activeElement.className"))
    assert {"coin", "scope", "low", "high", "guide-open"} <= reached, reached
    page.tab.get_by_role("tab", name="Liquidations").focus()
    page.tab.keyboard.press("ArrowRight")
    expect(page.tab.get_by_role("tab", name="CVD")).to_be_focused()
    expect(page.tab.get_by_role("tab", name="CVD")).to_have_attribute("aria-selected", "true")
    assert page.query()["coin"] == "BTC"


def test_the_lower_pane_draws_each_tab(page: PageUnderTest) -> None:
    page.open()
    whole = (0.0, 0.0, 1.0, 1.0)
    sums = set()
    for name in ("Liquidations", "CVD", "Open interest", "Volume"):
        page.tab.get_by_role("tab", name=name).click()
        page.tab.mouse.move(700, 20)
        sums.add(page.tab.evaluate(LOWER_PIXELS))
    assert len(sums) == 4, sums
    assert page.console_errors == []
    assert page.colours(whole)["cool"] > 500


def test_the_guide_greets_once_has_five_steps_and_is_on_a_key(browser: Browser, fake: FakeApi) -> None:
    with PageUnderTest(browser, fake.url, seen_guide=False) as page:
        page.open()
        guide = page.tab.get_by_role("dialog")
        expect(guide).to_be_visible()
        for step in range(1, 6):
            expect(guide).to_contain_text(f"{step} of 5")
            page.tab.keyboard.press("Enter")
        expect(guide).to_be_hidden()
        page.tab.reload()
        page.ready()
        expect(guide).to_be_hidden()
        page.tab.keyboard.press("?")
        expect(guide).to_be_visible()
        page.tab.keyboard.press("ArrowRight")
        page.tab.keyboard.press("Escape")
        expect(guide).to_be_hidden()
        assert page.query()["coin"] == "BTC"


def test_a_cluster_lights_its_band_while_pointed_at(page: PageUnderTest) -> None:
    page.open()
    before = page.colours()["sum"]
    page.tab.locator(".cluster").nth(2).hover()
    assert page.colours()["sum"] != before


def test_a_chance_of_touch_is_never_without_its_base_rate(page: PageUnderTest) -> None:
    page.open()
    texts = page.tab.locator(".touch").all_inner_texts()
    assert len(texts) >= 8
    for text in texts:
        assert re.fullmatch(r"\d{1,3}\s% / base (\d{1,3}\s%|–)", text), text
    assert any(text.endswith("base –") for text in texts)


def test_the_record_says_how_good_the_map_was(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    record = page.tab.locator("#record")
    expect(record.locator(".verdict")).to_have_text("Beats the best simple forecast")
    expect(record.locator(".comparison")).to_have_text(
        re.compile(r"^Explains 69\s% of swings, unswept levels 58\s%: \+11")
    )
    expect(record).to_contain_text("$0.94 came true per $1 expected")
    expect(record).to_contain_text("binance, bybit, okx report, most only a part")
    expect(record.locator(".calibration-chart title")).to_have_count(10)
    hours = record.locator(".hour")
    expect(hours).to_have_count(48)
    pair = r"\$[\d.]+(\s[KMB])? → \$[\d.]+(\s[KMB])?"
    expect(record.locator(".pairs")).to_have_text(re.compile(rf"\d\d:00\s*▲ {pair}\s*▼ {pair}"))
    newest = record.locator(".when").inner_text()
    hours.nth(24).hover()
    expect(record.locator(".when")).not_to_have_text(newest)
    assert "reported" in (hours.nth(24).locator("title").text_content() or "")
    page.tab.get_by_role("button", name="24h ahead", exact=True).click()
    assert page.query()["horizon"] == "24h"
    expect(hours.nth(24).locator("title")).to_contain_text("judged 24\u00a0h later")
    page.tab.select_option("#scope", "bybit")
    expect(record.locator(".record-notes")).to_have_text("For all venues together.")
    assert any("/v1/accuracy/BTC?horizon=4h" in path for path in fake.requests)
    assert page.console_errors == []


def test_a_record_that_fails_is_a_warning_across_the_page(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    expect(page.tab.locator(".badge")).to_have_text("LIVE")
    fake.phase, fake.incomplete = "simulated", True  # as many badges as there can be
    fake.close_record("BTC", "alarm")
    expect(page.tab.locator("#record .verdict")).to_have_text("Worse than the best simple forecast")
    expect(page.tab.locator(".badge")).to_have_text(["SIMULATED", "PARTIAL", "WEAK RECORD"])
    assert page.tab.evaluate("() => document.documentElement.scrollWidth") <= 1440
    assert page.tab.evaluate("() => document.querySelector('#guide-open').getBoundingClientRect().right") <= 1440
    expect(page.tab.locator("#notice")).to_contain_text("Do not rely on where it puts its dollars")


def test_what_is_too_early_to_say_is_not_said(page: PageUnderTest, fake: FakeApi) -> None:
    fake.record, fake.reported_share = "early", None
    page.open()
    record = page.tab.locator("#record")
    expect(record.locator(".verdict")).to_have_text("Too early to say")
    expect(record).to_contain_text("Calibration: too early to say")
    expect(page.tab.locator("#standing .standing")).to_have_count(3)
    expect(page.tab.locator("#standing")).not_to_contain_text("report")
    fake.record, fake.reported_share = "none", 0.06
    fake.resync()
    expect(record).to_contain_text("No record yet")
    expect(page.tab.locator("#standing")).to_contain_text(
        re.compile(r"Venues are expected to report about 6\s% of this")
    )


def test_a_phone_shows_the_map_first_and_never_scrolls_sideways(browser: Browser, fake: FakeApi) -> None:
    fake.phase = "replay"
    with PageUnderTest(browser, fake.url, width=390, height=844) as page:
        page.open()
        sizes = page.tab.evaluate(
            "() => [document.documentElement.scrollWidth, document.body.scrollWidth,"
            " document.querySelector('.map').getBoundingClientRect().top,"
            " document.querySelector('.side').getBoundingClientRect().top]"
        )
        assert sizes[0] <= 390
        assert sizes[1] <= 390
        assert sizes[2] < 300
        assert sizes[3] > sizes[2] + 300
        counts = page.colours((0.0, 0.0, 1.0, 1.0))
        assert counts["cool"] > 100
        assert counts["warm"] > 100


def test_an_update_costs_little(page: PageUnderTest, fake: FakeApi) -> None:
    page.open()
    durations = []
    for _ in range(20):
        fake.tick("BTC", 0.0002)
        page.tab.wait_for_timeout(60)
        durations += page.tab.evaluate(
            "() => performance.getEntriesByName('liqheat-update').filter(e => e.detail.includes('grid'))"
            ".map(e => e.duration)"
        )
    assert len(durations) >= 5
    # The quickest quarter: the others measure what else the machine is doing.
    assert sorted(durations)[len(durations) // 4] < 6, durations
