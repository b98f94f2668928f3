/** The timeframes of the heatmap, in the order of the buttons and of the keys 1 to 7. */

export const TIMEFRAMES = ["4h", "12h", "1d", "1h", "15m", "5m", "1m"] as const;
export type Timeframe = (typeof TIMEFRAMES)[number];

export const DEFAULT_TIMEFRAME: Timeframe = "4h";

export const TIMEFRAME_MS: Readonly<Record<Timeframe, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
  "4h": 14_400_000,
  "12h": 43_200_000,
  "1d": 86_400_000,
};

/** Clusters seen only below four hours come and go: the page calls such timeframes noise. */
export function isNoise(timeframe: Timeframe): boolean {
  return TIMEFRAME_MS[timeframe] < TIMEFRAME_MS["4h"];
}

export function isTimeframe(text: string): text is Timeframe {
  return (TIMEFRAMES as readonly string[]).includes(text);
}

/** The finer timeframe whose closed columns rebuild the candle of the column that is still open. */
export const SEED_TIMEFRAME: Readonly<Record<Timeframe, Timeframe | null>> = {
  "1m": null,
  "5m": "1m",
  "15m": "1m",
  "1h": "1m",
  "4h": "5m",
  "12h": "15m",
  "1d": "15m",
};

/**
 * How far from the mark, as a natural logarithm of price, the first view reaches at most. Short timeframes move little:
 * with the reach of a day their candles would be a flat line.
 */
export const VIEW_REACH: Readonly<Record<Timeframe, number>> = {
  "1m": 0.04,
  "5m": 0.06,
  "15m": 0.09,
  "1h": 0.14,
  "4h": 0.22,
  "12h": 0.3,
  "1d": 0.4,
};

/** Start of the column that holds a moment. */
export function columnOpenMs(timeMs: number, timeframe: Timeframe): number {
  const step = TIMEFRAME_MS[timeframe];
  return Math.floor(timeMs / step) * step;
}
