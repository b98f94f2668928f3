/** The words of the read-out for a place on the map. */

import type { Hover } from "./chart/map_chart.ts";
import { closesAtMs, type MarketSession } from "./market_session.ts";
import { dayAndTime, formatPrice, percent, shortUsd } from "./model/format.ts";
import type { HeatHistory } from "./model/heat_history.ts";
import { usdOfCode } from "./model/levels.ts";
import { candleAt, type CandleValues } from "./model/open_candle.ts";
import { binOf, usdAt, usdOnTheWay, type StandingMap } from "./model/standing.ts";
import type { ReadoutLine } from "./ui/readout.ts";

export function readoutLines(hover: Hover, session: MarketSession, now: StandingMap | null): ReadoutLine[] {
  const lines: ReadoutLine[] = [];
  const mark = now?.markPrice ?? null;
  const distance = mark === null ? undefined : `${percent(hover.price / mark - 1, true)} from the mark`;
  lines.push({ text: formatPrice(hover.price), ...(distance === undefined ? {} : { quiet: distance }) });
  const { history } = session;
  const openIndex = history === null ? 0 : Math.round((session.openTimeMs - history.firstOpenMs) / history.stepMs);
  const past = history !== null && !hover.overNow && hover.index >= 0 && hover.index < history.columns;
  if (past) lines.push(...pastLines(history, hover));
  else if (now !== null && (hover.overNow || hover.index >= openIndex)) {
    if (hover.overNow || hover.index > openIndex) lines.push({ text: "now", quiet: `${dayAndTime(session.grid?.event_time_ms ?? 0)} UTC` });
    else lines.push({ text: span(session.openTimeMs, closesAtMs(session)), quiet: "open column" }, ...candleLines(session.openCandle));
    lines.push(usdLine(usdAt(now, hover.price), "per bin"));
  }
  if (now !== null) {
    const way = usdOnTheWay(now, hover.price);
    lines.push({ text: shortUsd(way.usd), quiet: `estimated ${way.side}s from the mark to here`, tone: "faint" });
  }
  return lines;
}

function pastLines(history: HeatHistory, hover: Hover): ReadoutLine[] {
  const openTimeMs = history.firstOpenMs + hover.index * history.stepMs;
  const lines: ReadoutLine[] = [{ text: span(openTimeMs, openTimeMs + history.stepMs) }];
  if (!history.present[hover.index]) return [...lines, { text: "not recorded", tone: "warning" }];
  const bin = binOf(hover.price, history.binWidth) - history.firstBin;
  const inside = bin >= 0 && bin < history.bins;
  const at = bin * history.columns + hover.index;
  const long = inside ? history.long[at]! : 0;
  const short = inside ? history.short[at]! : 0;
  const side = long >= short ? ("long" as const) : ("short" as const);
  lines.push(usdLine({ side, usd: usdOfCode(history.levels, Math.max(long, short)) }, "mean of the column"));
  lines.push(...candleLines(candleAt(history.candles, hover.index)));
  if (history.incomplete[hover.index]) lines.push({ text: "partial", quiet: "part of this column was not observed", tone: "warning" });
  return lines;
}

function usdLine(found: { side: "long" | "short"; usd: number }, what: string): ReadoutLine {
  if (found.usd === 0) return { text: "$0", quiet: "nothing estimated here", tone: "faint" };
  return { text: `${shortUsd(found.usd)} ${found.side}s`, quiet: `estimated, ${what}`, tone: found.side };
}

function candleLines(candle: CandleValues | null): ReadoutLine[] {
  if (candle === null) return [];
  const prices = [candle.open, candle.high, candle.low, candle.close].map(formatPrice);
  return [{ text: "O H L C", quiet: prices.join("  "), tone: "faint" }];
}

function span(fromMs: number, toMs: number): string {
  return `${dayAndTime(fromMs)}–${dayAndTime(toMs).split(" ").at(-1)} UTC`;
}
