/** What the page shows, as its address says it: a link shows the same map to someone else. */

import { AGGREGATED, DEFAULT_HORIZON, isHorizon, type Horizon } from "./record.ts";
import { DEFAULT_TIMEFRAME, isTimeframe, type Timeframe } from "./timeframes.ts";

/** Dollars a bin at the two handles of the intensity slider. */
export interface IntensityUsd {
  readonly lowUsd: number;
  readonly highUsd: number;
}

export interface ViewState {
  /** null: the first coin that the api names. */
  readonly coin: string | null;
  readonly scope: string;
  readonly timeframe: Timeframe;
  /** null: chosen from the data. */
  readonly intensity: IntensityUsd | null;
  /** Of the record. */
  readonly horizon: Horizon;
}

/** Read the query of an address. What is unknown or malformed falls back to its default. */
export function parseState(query: string): ViewState {
  const values = new URLSearchParams(query);
  const coin = (values.get("coin") ?? "").toUpperCase();
  const scope = values.get("scope") ?? AGGREGATED;
  const timeframe = values.get("timeframe") ?? "";
  const horizon = values.get("horizon") ?? "";
  return {
    coin: /^[A-Z0-9]{1,20}$/.test(coin) ? coin : null,
    scope: /^[a-z][a-z0-9-]{0,30}$/.test(scope) ? scope : AGGREGATED,
    timeframe: isTimeframe(timeframe) ? timeframe : DEFAULT_TIMEFRAME,
    intensity: parseIntensity(values.get("intensity")),
    horizon: isHorizon(horizon) ? horizon : DEFAULT_HORIZON,
  };
}

/** The query of a state, defaults left out except the coin, the scope and the timeframe, which a reader looks for. */
export function formatState(state: ViewState): string {
  const values = new URLSearchParams();
  if (state.coin !== null) values.set("coin", state.coin);
  values.set("scope", state.scope);
  values.set("timeframe", state.timeframe);
  if (state.intensity !== null)
    values.set("intensity", `${round(state.intensity.lowUsd)}-${round(state.intensity.highUsd)}`);
  if (state.horizon !== DEFAULT_HORIZON) values.set("horizon", state.horizon);
  return `?${values.toString()}`;
}

function round(usd: number): number {
  return Number(usd.toPrecision(3));
}

function parseIntensity(text: string | null): IntensityUsd | null {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "");
  if (match === null) return null;
  const [lowUsd, highUsd] = [Number(match[1]), Number(match[2])];
  return lowUsd > 0 && highUsd > lowUsd ? { lowUsd, highUsd } : null;
}
