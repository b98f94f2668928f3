/** The record as it is drawn: the last two days, and the calibration by size of the forecast. */

import { formatPrice, fullTime, longUsd, NONE, shortUsd } from "./format.ts";
import type { Accuracy, CalibrationBucket, SideHistory } from "./record.ts";

/** Two days, so that the same hours of the day can be compared. */
export const HOURS_SHOWN = 48;
/** The scale is logarithmic, since an hour in a crash holds a thousand times a quiet one, over 100 to 10,000 times. */
const LEAST_SPAN = 100;
const LARGEST_SPAN = 10_000;
/** A bucket with fewer records says little. */
const FEW_RECORDS = 20;
const CALIBRATION_LIMIT = 3;
const HOUR_MS = 3_600_000;

export interface Pair {
  readonly expected: number | null;
  readonly cameTrue: number | null;
}

/** One forecast on the chart. */
export interface HourRecord {
  /** 0 is the oldest hour of the chart, `HOURS_SHOWN` − 1 the newest. */
  readonly slot: number;
  readonly frozenMs: number;
  readonly complete: boolean;
  readonly lowest: number;
  readonly highest: number;
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
    });
    const record: HourRecord = {
      slot,
      frozenMs,
      complete: history.complete[at]!,
      lowest: history.lowest_price[at]!,
      highest: history.highest_price[at]!,
      long: pair(history.long),
      short: pair(history.short),
    };
    return [record];
  });
}

export interface UsdScale {
  readonly bottomUsd: number;
  readonly topUsd: number;
}

/** From a third of what nine in ten amounts exceed to the largest, so that usual hours fill the chart. */
export function usdScale(records: readonly HourRecord[]): UsdScale {
  const amounts = records
    .flatMap(({ long, short }) => [long.expected, long.cameTrue, short.expected, short.cameTrue])
    .filter((usd): usd is number => usd !== null && usd > 0)
    .sort((a, b) => a - b);
  const topUsd = Math.max(1_000, amounts.at(-1) ?? 0);
  const small = (amounts[Math.floor(amounts.length / 10)] ?? 0) / 3;
  return { bottomUsd: Math.min(topUsd / LEAST_SPAN, Math.max(topUsd / LARGEST_SPAN, small)), topUsd };
}

/** Height of an amount, 0 to 1. */
export function scaled(usd: number, { bottomUsd, topUsd }: UsdScale): number {
  return usd <= bottomUsd ? 0 : Math.min(1, Math.log(usd / bottomUsd) / Math.log(topUsd / bottomUsd));
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
    sideTitle("Shorts above", record.short),
    sideTitle("Longs below", record.long),
  ];
  if (!record.complete) lines.push("Prices or liquidations were interrupted: not scored.");
  return lines.join("\n");
}

function sideTitle(name: string, pair: Pair): string {
  const expected = pair.expected === null ? NONE : longUsd(pair.expected);
  return `${name}: expected ${expected}, ${pair.cameTrue === null ? NONE : longUsd(pair.cameTrue)} reported`;
}

export interface CalibrationBar {
  /** Place by size among all buckets, the empty ones too. */
  readonly slot: number;
  /** Above 0 more came true than was expected, below it less; ±1 is three times or a third, where it is cut off. */
  readonly height: number;
  readonly few: boolean;
  readonly title: string;
}

/** Came true over expected by size of the forecast, the smallest first. Empty buckets have no bar. */
export function calibrationBars(buckets: readonly CalibrationBucket[]): CalibrationBar[] {
  return buckets
    .map((bucket, slot) => ({ bucket, slot }))
    .filter(({ bucket }) => bucket.records > 0 && bucket.forecast_usd > 0)
    .map(({ bucket, slot }) => {
      const ratio = bucket.observed_usd / bucket.forecast_usd;
      const range = bucket.to_usd === null ? `of ${shortUsd(bucket.from_usd)} and more` : `of ${shortUsd(bucket.from_usd)} to ${shortUsd(bucket.to_usd)}`;
      return {
        slot,
        height: Math.max(-1, Math.min(1, Math.log(Math.max(ratio, 1e-9)) / Math.log(CALIBRATION_LIMIT))),
        few: bucket.records < FEW_RECORDS,
        title:
          `Forecasts ${range}: ${longUsd(bucket.forecast_usd)} expected in ${bucket.records.toLocaleString("en-US")} records, ` +
          `${longUsd(bucket.observed_usd)} reported: ${ratio.toFixed(2)} per dollar`,
      };
    });
}
