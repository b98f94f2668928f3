/**
 * The closed columns that the page holds, on an even grid of time: an hour that nobody recorded is an empty column and
 * not a seam, so distances on the screen stay true.
 */

import { CANDLE_FIELDS, type CandleColumns, type HeatmapPart } from "./heatmap_wire.ts";
import type { Levels } from "./levels.ts";
import { TIMEFRAME_MS, type Timeframe } from "./timeframes.ts";

export const MAX_COLUMNS = 1500;

export interface HeatHistory {
  readonly timeframe: Timeframe;
  readonly stepMs: number;
  readonly binWidth: number;
  readonly levels: Levels;
  readonly firstBin: number;
  readonly bins: number;
  readonly firstOpenMs: number;
  readonly columns: number;
  /** Columns that were received; the others are holes. */
  readonly present: readonly boolean[];
  readonly incomplete: readonly boolean[];
  readonly candles: CandleColumns;
  readonly long: Uint8Array;
  readonly short: Uint8Array;
}

/** Close of the last column: the open time of the one that is still open, if time has not moved past it. */
export function closedUntilMs(history: HeatHistory): number {
  return history.firstOpenMs + history.columns * history.stepMs;
}

/** Both planes of the bins between two prices: bins are the slower index, so this copies nothing. */
export function planesBetween(history: HeatHistory, lowPrice: number, highPrice: number): Uint8Array[] {
  const row = (price: number): number =>
    Math.max(0, Math.min(history.bins, Math.floor(Math.log(price) / history.binWidth) - history.firstBin));
  const from = row(lowPrice) * history.columns;
  const to = (row(highPrice) + 1) * history.columns;
  return [history.long.subarray(from, to), history.short.subarray(from, to)];
}

type Source = Pick<HeatHistory, "firstBin" | "bins" | "columns" | "candles" | "incomplete" | "long" | "short"> & {
  readonly openTimeMs: readonly number[];
};

/**
 * Join what is held with newly received columns (new ones win), keep the latest `maxColumns`, and widen the bins to the
 * union. Returns null when there is no column at all.
 */
export function mergeHistory(
  held: HeatHistory | null,
  part: HeatmapPart,
  maxColumns: number = MAX_COLUMNS,
): HeatHistory | null {
  const stepMs = TIMEFRAME_MS[part.timeframe];
  const sources: Source[] = [];
  if (held !== null) sources.push({ ...held, openTimeMs: heldTimes(held) });
  if (part.columns > 0) sources.push(part);
  if (sources.length === 0) return null;
  const times = sources.flatMap((source) => [...source.openTimeMs]).filter((time) => time >= 0);
  const lastOpenMs = times.reduce((a, b) => Math.max(a, b), -Infinity);
  const earliest = times.reduce((a, b) => Math.min(a, b), Infinity);
  const firstOpenMs = Math.max(earliest, lastOpenMs - (maxColumns - 1) * stepMs);
  const columns = Math.round((lastOpenMs - firstOpenMs) / stepMs) + 1;
  const firstBin = Math.min(...sources.map((source) => source.firstBin));
  const bins = Math.max(...sources.map((source) => source.firstBin + source.bins)) - firstBin;
  const merged = {
    timeframe: part.timeframe,
    stepMs,
    binWidth: part.binWidth,
    levels: part.columns > 0 || held === null ? part.levels : held.levels,
    firstBin,
    bins,
    firstOpenMs,
    columns,
    present: new Array<boolean>(columns).fill(false),
    incomplete: new Array<boolean>(columns).fill(false),
    candles: emptyCandles(columns),
    long: new Uint8Array(bins * columns),
    short: new Uint8Array(bins * columns),
  };
  for (const source of sources) place(source, merged);
  return merged;
}

/** Times of the held columns; -1 for holes, which a later part may fill. */
function heldTimes(held: HeatHistory): number[] {
  return held.present.map((present, column) => (present ? held.firstOpenMs + column * held.stepMs : -1));
}

function emptyCandles(columns: number): CandleColumns {
  const candles = {} as CandleColumns;
  for (const field of CANDLE_FIELDS) candles[field] = new Array<number | null>(columns).fill(null);
  return candles;
}

function place(source: Source, target: Omit<HeatHistory, "present" | "incomplete"> & { present: boolean[]; incomplete: boolean[] }): void {
  const targetColumn = source.openTimeMs.map((time) =>
    time < target.firstOpenMs ? -1 : Math.round((time - target.firstOpenMs) / target.stepMs),
  );
  for (let column = 0; column < source.columns; column++) {
    const to = targetColumn[column]!;
    if (to < 0) continue;
    target.present[to] = true;
    target.incomplete[to] = source.incomplete[column]!;
    for (const field of CANDLE_FIELDS) target.candles[field][to] = source.candles[field][column]!;
  }
  const binOffset = source.firstBin - target.firstBin;
  for (let bin = 0; bin < source.bins; bin++) {
    const from = bin * source.columns;
    const base = (bin + binOffset) * target.columns;
    for (let column = 0; column < source.columns; column++) {
      const to = targetColumn[column]!;
      if (to < 0) continue;
      target.long[base + to] = source.long[from + column]!;
      target.short[base + to] = source.short[from + column]!;
    }
  }
}
