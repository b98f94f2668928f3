/** The record as it is drawn: the last two days, and the calibration by size of the forecast. */

import { formatPrice, fullTime, longUsd, NONE, shortUsd } from "./format.ts";
import { methodWords, type Accuracy, type CalibrationBucket, type Method, type SideHistory } from "./record.ts";

/** Two days, so that the same hours of the day can be compared. */
export const HOURS_SHOWN = 48;
/** The scale is logarithmic over four powers of ten: an hour in a crash holds a thousand times a quiet one. */
const SCALE_DECADES = 4;
/** A bucket with fewer records says little. */
const FEW_RECORDS = 20;
const CALIBRATION_LIMIT = 3;
const HOUR_MS = 3_600_000;

export interface Pair {
  readonly expected: number | null;
  readonly cameTrue: number | null;
  readonly baseline: number | null;
}

/** One forecast on the chart. */
export interface HourRecord {
  /** 0 is the oldest hour of the chart, `HOURS_SHOWN` − 1 the newest. */
  readonly slot: number;
  readonly frozenMs: number;
  readonly complete: boolean;
  readonly lowest: number;
  readonly highest: number;
  readonly best: Method | null;
  readonly long: Pair;
  readonly short: Pair;
}

/** The records of the last two days. An hour without one stays empty, so that distances in time are true. */
export function hourRecords(history: Accuracy["history"]): HourRecord[] {
  const newest = history.frozen_time_ms.at(-1) ?? 0;
  return history.frozen_time_ms.flatMap((frozenMs, at) => {
    const slot = HOURS_SHOWN - 1 - Math.round((newest - frozenMs) / HOUR_MS);
    if (slot < 0) return [];
    const pair = (side: SideHistory): Pair => ({
      expected: side.map_usd[at] ?? null,
      cameTrue: side.observed_usd[at] ?? null,
      baseline: side.baseline_usd[at] ?? null,
    });
    const record: HourRecord = {
      slot,
      frozenMs,
      complete: history.complete[at]!,
      lowest: history.lowest_price[at]!,
      highest: history.highest_price[at]!,
      best: history.best_baseline[at] ?? null,
      long: pair(history.long),
      short: pair(history.short),
    };
    return [record];
  });
}

/** Dollars at the end of the scale: the largest of either kind. */
export function scaleTopUsd(records: readonly HourRecord[]): number {
  const all = records.flatMap(({ long, short }) => [long.expected, long.cameTrue, short.expected, short.cameTrue]);
  return Math.max(1_000, ...all.map((usd) => usd ?? 0));
}

/** Height of an amount, 0 to 1, logarithmic down to a ten-thousandth of the top. */
export function scaled(usd: number, topUsd: number): number {
  return usd <= 0 ? 0 : Math.min(1, Math.max(0, 1 + Math.log10(usd / topUsd) / SCALE_DECADES));
}

/** $101 K → $88 K. */
export function pairText(pair: Pair): string {
  return `${short(pair.expected)} → ${short(pair.cameTrue)}`;
}

function short(usd: number | null): string {
  return usd === null ? NONE : shortUsd(usd);
}

/** The long form of one record. */
export function recordTitle(record: HourRecord, horizonMs: number): string {
  const lines = [
    `Frozen ${fullTime(record.frozenMs)}, judged ${horizonMs / HOUR_MS}\u00a0h later. Price went from ${formatPrice(record.lowest)} to ${formatPrice(record.highest)}.`,
    sideTitle("Shorts above", record.short, record.best),
    sideTitle("Longs below", record.long, record.best),
  ];
  if (!record.complete) lines.push("Prices or liquidations were interrupted: not scored.");
  return lines.join("\n");
}

function sideTitle(name: string, pair: Pair, best: Method | null): string {
  const expected = pair.expected === null ? NONE : longUsd(pair.expected);
  const baseline = best === null || pair.baseline === null ? "" : ` (${methodWords(best)}: ${longUsd(pair.baseline)})`;
  return `${name}: expected ${expected}${baseline}, ${pair.cameTrue === null ? NONE : longUsd(pair.cameTrue)} reported`;
}

export interface CalibrationBar {
  /** Above 0 more came true than was expected, below it less; ±1 is three times or a third, where it is cut off. */
  readonly height: number;
  readonly few: boolean;
  readonly title: string;
}

/** Came true over expected by size of the forecast, the smallest first. Empty buckets are left out. */
export function calibrationBars(buckets: readonly CalibrationBucket[]): CalibrationBar[] {
  return buckets
    .filter((bucket) => bucket.records > 0 && bucket.forecast_usd > 0)
    .map((bucket) => {
      const ratio = bucket.observed_usd / bucket.forecast_usd;
      const range = bucket.to_usd === null ? `of ${shortUsd(bucket.from_usd)} and more` : `of ${shortUsd(bucket.from_usd)} to ${shortUsd(bucket.to_usd)}`;
      return {
        height: Math.max(-1, Math.min(1, Math.log(Math.max(ratio, 1e-9)) / Math.log(CALIBRATION_LIMIT))),
        few: bucket.records < FEW_RECORDS,
        title:
          `Forecasts ${range}: ${longUsd(bucket.forecast_usd)} expected in ${bucket.records.toLocaleString("en-US")} records, ` +
          `${longUsd(bucket.observed_usd)} reported: ${ratio.toFixed(2)} per dollar`,
      };
    });
}
