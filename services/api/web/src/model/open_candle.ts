/** The candle of the column that is still open, from finer closed columns and from each second's grid. */

import type { CandleColumns } from "./heatmap_wire.ts";

export interface CandleValues {
  open: number;
  high: number;
  low: number;
  close: number;
  volumeUsd: number;
  cvdUsd: number | null;
  openInterestUsd: number | null;
  liquidatedLongUsd: number;
  liquidatedShortUsd: number;
}

/** What a grid says about its second. */
export interface Tick {
  readonly eventTimeMs: number;
  readonly markPrice: number;
  readonly candle: { open: number; high: number; low: number; close: number; volume_usd: number } | null;
  readonly cvdUsd: number;
  readonly openInterestUsd: number;
  readonly liquidatedLongUsd: number;
  readonly liquidatedShortUsd: number;
}

/** Values of one closed column, or null when no price was seen in it. */
export function candleAt(candles: CandleColumns, column: number): CandleValues | null {
  const [open, high, low, close] = [candles.open[column], candles.high[column], candles.low[column], candles.close[column]];
  if (open == null || high == null || low == null || close == null) return null;
  return {
    open,
    high,
    low,
    close,
    volumeUsd: candles.volume_usd[column] ?? 0,
    cvdUsd: candles.cvd[column] ?? null,
    openInterestUsd: candles.open_interest_usd[column] ?? null,
    liquidatedLongUsd: candles.liquidated_long[column] ?? 0,
    liquidatedShortUsd: candles.liquidated_short[column] ?? 0,
  };
}

/** The candle of several columns in order. */
export function joinCandles(parts: readonly CandleValues[]): CandleValues | null {
  const [first, ...rest] = parts;
  return first === undefined ? null : rest.reduce(join, { ...first });
}

function join(before: CandleValues, after: CandleValues): CandleValues {
  return {
    open: before.open,
    high: Math.max(before.high, after.high),
    low: Math.min(before.low, after.low),
    close: after.close,
    volumeUsd: before.volumeUsd + after.volumeUsd,
    cvdUsd: after.cvdUsd ?? before.cvdUsd,
    openInterestUsd: after.openInterestUsd ?? before.openInterestUsd,
    liquidatedLongUsd: before.liquidatedLongUsd + after.liquidatedLongUsd,
    liquidatedShortUsd: before.liquidatedShortUsd + after.liquidatedShortUsd,
  };
}

/** Add a second to the open candle. Without a trade in it the mark stands for the price. */
export function addTick(candle: CandleValues | null, tick: Tick): CandleValues {
  const price = tick.candle ?? { open: tick.markPrice, high: tick.markPrice, low: tick.markPrice, close: tick.markPrice };
  const second: CandleValues = {
    open: price.open,
    high: price.high,
    low: price.low,
    close: price.close,
    volumeUsd: tick.candle?.volume_usd ?? 0,
    cvdUsd: tick.cvdUsd,
    openInterestUsd: tick.openInterestUsd,
    liquidatedLongUsd: tick.liquidatedLongUsd,
    liquidatedShortUsd: tick.liquidatedShortUsd,
  };
  return candle === null ? second : join(candle, second);
}
