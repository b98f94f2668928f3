/** Words for what is not there yet. */

import { age, dayAndTime } from "./format.ts";
import { TIMEFRAME_MS, type Timeframe } from "./timeframes.ts";

/** A sentence in place of the map; null: there is a map to show. */
export function emptySentence(facts: {
  readonly apiReachable: boolean;
  readonly coins: readonly string[] | null;
  readonly coin: string | null;
  readonly scope: string;
  readonly hasGrid: boolean;
  readonly hasColumns: boolean;
  readonly loading: boolean;
}): string | null {
  if (facts.hasGrid || facts.hasColumns) return null;
  if (!facts.apiReachable) return "Cannot reach the api, retrying.";
  if (facts.coins === null || facts.loading) return "Loading the map.";
  if (facts.coins.length === 0) return "No coin yet. The first map appears here as soon as market data has come in.";
  if (facts.coin !== null && !facts.coins.includes(facts.coin))
    return `There is no map of ${facts.coin} here. Choose another coin above.`;
  return `No map of ${facts.coin ?? "this coin"} in the scope ${facts.scope} yet. It appears here by itself.`;
}

/** With fewer columns a reader sees more in a shorter timeframe. */
const FEW_COLUMNS = 10;
const SHORTER: Readonly<Partial<Record<Timeframe, Timeframe>>> = { "1d": "4h", "12h": "1h", "4h": "15m", "1h": "5m", "15m": "1m", "5m": "1m" };

/** What to say about a history that has only begun, and the timeframe that already shows more. */
export function youngHistoryHint(
  timeframe: Timeframe,
  columns: number,
  dataTimeMs: number,
): { sentence: string; shorter: Timeframe | null } | null {
  if (columns >= FEW_COLUMNS) return null;
  const step = TIMEFRAME_MS[timeframe];
  const closesAt = (Math.floor(dataTimeMs / step) + 1) * step;
  const when = `${dayAndTime(closesAt)} UTC, in ${age(closesAt - dataTimeMs)}`;
  const sentence =
    columns === 0
      ? `No closed ${timeframe} column yet: the first closes at ${when}. The open column and the map now are shown.`
      : `Only ${columns} closed ${timeframe} ${columns === 1 ? "column" : "columns"} so far; the next closes at ${when}.`;
  return { sentence, shorter: SHORTER[timeframe] ?? null };
}
