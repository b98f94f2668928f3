import assert from "node:assert/strict";
import { test } from "node:test";

import { alarmSentence, calibrationText, recordNotes, recordVerdict, reportersText, type Accuracy, type LatestRecord } from "../src/model/record.ts";
import { calibrationBars, hourRecords, HOURS_SHOWN, pairText, recordTitle, scaled, usdScale } from "../src/model/record_chart.ts";

const plain = (text: string): string => text.replaceAll("\u00a0", " ");
const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 10, 23, 16);

function latest(change: Partial<LatestRecord> = {}): LatestRecord {
  return {
    frozen_time_ms: T0,
    gain_over_best_baseline: 0.11,
    gain_low: 0.08,
    gain_high: 0.14,
    best_baseline: "unswept",
    alarm: false,
    complete: true,
    model_version: "layered-flow-2",
    reporting_venues: ["binance", "okx"],
    reported_share: 0.06,
    scored_records: 1_440,
    running: [
      { method: "map", r_squared: 0.69, observed_over_forecast: 0.94 },
      { method: "unswept", r_squared: 0.58, observed_over_forecast: 1.02 },
    ],
    calibration: [],
    ...change,
  };
}

function answer(hours: readonly number[], change: Partial<Accuracy> = {}): Accuracy {
  const column = <T>(value: T): T[] => hours.map(() => value);
  const side = { observed_usd: hours.map((hour) => (hour === 2 ? null : 1000 * hour)), map_usd: column(100), baseline_usd: column(null) };
  return {
    coin: "BTC",
    horizon: "1h",
    horizon_ms: HOUR,
    phase: "live",
    event_time_ms: T0 + HOUR,
    valid_until_ms: T0 + 2 * HOUR,
    latest: latest(),
    history: {
      frozen_time_ms: hours.map((hour) => T0 + hour * HOUR),
      lowest_price: column(70_000),
      highest_price: column(71_000),
      complete: hours.map((hour) => hour !== 3),
      best_baseline: column("unswept" as const),
      long: side,
      short: { ...side, baseline_usd: column(250) },
    },
    detail: null,
    ...change,
  };
}

test("the lead over the best baseline is said in plain words, with how sure it is", () => {
  const ahead = recordVerdict(latest());
  assert.deepEqual([ahead.kind, ahead.text], ["ahead", "Beats the best simple forecast"]);
  assert.equal(plain(ahead.detail), "Explains 69 % of swings, unswept levels 58 %: +11 (+8 to +14)");
  assert.match(ahead.title, /Gain 0\.110, 95 % interval 0\.080 to 0\.140\n1,440 records/);
  const level = recordVerdict(latest({ gain_over_best_baseline: 0.004, gain_low: -0.02, gain_high: 0.03 }));
  assert.deepEqual([level.kind, level.text], ["level", "No clear lead over the best simple forecast"]);
  assert.match(plain(level.detail), /: \+0\.4 \(−2 to \+3\)$/);
  const behind = recordVerdict(latest({ gain_over_best_baseline: -0.06, gain_low: -0.09, gain_high: -0.02, alarm: true }));
  assert.deepEqual([behind.kind, behind.text], ["behind", "Worse than the best simple forecast"]);
});

test("too early is too early: no number stands for one that is not known", () => {
  const none = recordVerdict(latest({ gain_over_best_baseline: null, gain_low: null, gain_high: null, best_baseline: null, scored_records: 1 }));
  assert.deepEqual([none.kind, none.text, none.detail], ["early", "Too early to say", "whether it beats simple forecasts: 1 record scored"]);
  const unsure = recordVerdict(latest({ gain_low: null, gain_high: null }));
  assert.equal(unsure.kind, "early");
  assert.match(unsure.detail, /too early to say how surely$/);
  assert.equal(calibrationText(latest({ running: [] })), null);
  assert.equal(calibrationText(latest()), "$0.94 came true per $1 expected");
});

test("an alarm of any horizon is said, and names it", () => {
  assert.equal(alarmSentence([answer([0])]), null);
  const bad = (horizon: "4h" | "1h"): Accuracy => answer([0], { horizon, latest: latest({ alarm: true }) });
  assert.match(alarmSentence([bad("4h"), answer([0]), bad("1h")])!, /^Over 1h, 4h a simple forecast/);
});

test("the chart goes by time, ends with the newest hour, and leaves out what is older than two days", () => {
  const records = hourRecords(answer([-60, -46, 0, 1]).history);
  assert.deepEqual(records.map((record) => record.slot), [0, HOURS_SHOWN - 2, HOURS_SHOWN - 1]);
  assert.deepEqual(hourRecords(answer([]).history), []);
});

test("heights are logarithmic, and usual hours fill the chart", () => {
  const heights = [1e6, 1e4, 1e2, 1, 0, 2e6].map((usd) => scaled(usd, { bottomUsd: 1e2, topUsd: 1e6 }));
  assert.deepEqual(heights.map((height) => Number(height.toFixed(9))), [1, 0.5, 0, 0, 0, 1]);
  assert.deepEqual(usdScale(hourRecords(answer([1, 7]).history)), { bottomUsd: 100 / 3, topUsd: 7_000 });
  assert.deepEqual(usdScale(hourRecords(answer([0, 1, 3]).history)), { bottomUsd: 30, topUsd: 3_000 });
  assert.deepEqual(usdScale([]), { bottomUsd: 0.1, topUsd: 1_000 });
});

test("a record says both sides, and what is unknown", () => {
  const [known, unknown, cut] = hourRecords(answer([1, 2, 3]).history);
  assert.equal(plain(pairText(known!.short)), "$100 → $1.00 K");
  assert.equal(pairText(unknown!.short), "$100 → –");
  const title = plain(recordTitle(known!, HOUR));
  assert.match(title, /^Frozen 2026-11-23 17:00:00 UTC, judged 1 h later\. Price went from 70,000 to 71,000\./);
  assert.match(title, /Shorts above: expected \$100, \$1,000 reported\nLongs below: expected \$100, \$1,000 reported$/);
  assert.match(recordTitle(cut!, HOUR), /not scored\.$/);
});

test("calibration by size leaves out empty buckets and is cut off at three times", () => {
  const bucket = (records: number, observed_usd: number): Parameters<typeof calibrationBars>[0][number] => ({ from_usd: 1e4, to_usd: null, records, forecast_usd: 100, observed_usd });
  const bars = calibrationBars([bucket(0, 0), bucket(50, 100), bucket(5, 900), bucket(50, 0)]);
  assert.deepEqual(bars.map(({ slot, height, few }) => [slot, height, few]), [[1, 0, false], [2, 1, true], [3, -1, false]]);
  assert.equal(plain(bars[1]!.title), "Forecasts of $10.0 K and more: $100 expected in 5 records, $900 reported: 9.00 per dollar");
});

test("what a record is not about is said beside it", () => {
  const now = T0 + HOUR;
  assert.equal(recordNotes(answer([0]), "aggregated", "live", now), "");
  assert.equal(recordNotes(answer([0]), "binance", "replay", now), "This record is of live data. For all venues together.");
  assert.match(recordNotes(answer([0]), "aggregated", "live", T0 + 4 * HOUR), /^No record since 23 Nov 16:00\.$/);
  assert.match(recordNotes(answer([0], { latest: latest({ complete: false }) }), "aggregated", "live", now), /not scored/);
  assert.equal(reportersText(latest()), "binance, okx report, most only a part");
  assert.equal(reportersText(latest({ reporting_venues: [] })), "no venue reports liquidations");
});
