/** The record of the map: what was forecast, what came true, and how that reads in plain words. */

import type { Side } from "./colours.ts";
import { dayAndTime, NONE } from "./format.ts";
import type { Phase } from "./honesty.ts";

export const HORIZONS = ["1h", "4h", "24h"] as const;
export type Horizon = (typeof HORIZONS)[number];
export const DEFAULT_HORIZON: Horizon = "1h";

/** The scope of all venues together, which the record is about. */
export const AGGREGATED = "aggregated";
const HOUR_MS = 3_600_000;

export type Method = "map" | "uniform" | "distance-kernel" | "unswept" | "vendor-like" | "mirrored-map";

export interface RunningScore {
  readonly method: Method;
  readonly r_squared: number | null;
  readonly observed_over_forecast: number | null;
}

export interface CalibrationBucket {
  readonly from_usd: number;
  readonly to_usd: number | null;
  readonly records: number;
  readonly forecast_usd: number;
  readonly observed_usd: number;
}

export interface LatestRecord {
  readonly frozen_time_ms: number;
  readonly gain_over_best_baseline: number | null;
  readonly gain_low: number | null;
  readonly gain_high: number | null;
  readonly best_baseline: Method | null;
  readonly alarm: boolean;
  readonly complete: boolean;
  readonly model_version: string;
  readonly reporting_venues: readonly string[];
  readonly reported_share: number | null;
  readonly scored_records: number;
  readonly running: readonly RunningScore[];
  readonly calibration: readonly CalibrationBucket[];
}

export interface SideHistory {
  readonly observed_usd: readonly (number | null)[];
  readonly map_usd: readonly (number | null)[];
  readonly baseline_usd: readonly (number | null)[];
}

/** `/v1/accuracy`. */
export interface Accuracy {
  readonly coin: string;
  readonly horizon: Horizon;
  readonly horizon_ms: number;
  readonly phase: Phase | null;
  readonly event_time_ms: number | null;
  readonly valid_until_ms: number | null;
  readonly latest: LatestRecord | null;
  readonly history: {
    readonly frozen_time_ms: readonly number[];
    readonly lowest_price: readonly number[];
    readonly highest_price: readonly number[];
    readonly complete: readonly boolean[];
    readonly best_baseline: readonly (Method | null)[];
  } & Readonly<Record<Side, SideHistory>>;
  readonly detail: string | null;
}

const METHOD_WORDS: Readonly<Record<Method, string>> = {
  map: "the map",
  uniform: "even spread",
  "distance-kernel": "distance alone",
  unswept: "unswept levels",
  "vendor-like": "fixed leverages",
  "mirrored-map": "mirrored map",
};

/** A baseline that this page does not know yet keeps its own name. */
export function methodWords(method: Method): string {
  return METHOD_WORDS[method] ?? method;
}

export function isHorizon(text: string): text is Horizon {
  return (HORIZONS as readonly string[]).includes(text);
}

export function horizonOfMs(ms: number): Horizon | null {
  return HORIZONS.find((horizon) => Number(horizon.slice(0, -1)) * HOUR_MS === ms) ?? null;
}

export interface RecordVerdict {
  readonly kind: "ahead" | "level" | "behind" | "early";
  readonly text: string;
  readonly detail: string;
  readonly title: string;
}

/** Whether the map beats its best baseline, and how surely. */
export function recordVerdict(latest: LatestRecord): RecordVerdict {
  const title = scoreTitle(latest);
  const { gain_over_best_baseline: gain, gain_low: low, gain_high: high, best_baseline: best } = latest;
  const records = `${latest.scored_records.toLocaleString("en-US")} ${latest.scored_records === 1 ? "record" : "records"}`;
  if (latest.alarm)
    return { kind: "behind", text: "Worse than the best simple forecast", detail: comparison(latest), title };
  if (gain === null || best === null)
    return { kind: "early", text: "Too early to say", detail: `whether it beats simple forecasts: ${records} scored`, title };
  if (low === null || high === null) {
    const text = gain > 0 ? "Ahead of the best simple forecast so far" : "Behind the best simple forecast so far";
    return { kind: "early", text, detail: `${comparison(latest)}, too early to say how surely`, title };
  }
  if (low > 0) return { kind: "ahead", text: "Beats the best simple forecast", detail: comparison(latest), title };
  return { kind: "level", text: "No clear lead over the best simple forecast", detail: comparison(latest), title };
}

function comparison(latest: LatestRecord): string {
  const { gain_over_best_baseline: gain, gain_low: low, gain_high: high, best_baseline: best } = latest;
  if (gain === null || best === null) return "its lead is not known";
  const map = rSquared(latest, "map");
  const other = rSquared(latest, best);
  const explained = `Explains ${whole(map)} of swings, ${methodWords(best)} ${whole(other)}`;
  const interval = low === null || high === null ? "" : ` (${points(low)} to ${points(high)})`;
  return `${explained}: ${points(gain)}${interval}`;
}

function rSquared(latest: LatestRecord, method: Method): number | null {
  return latest.running.find((score) => score.method === method)?.r_squared ?? null;
}

function whole(share: number | null): string {
  return share === null ? NONE : `${Math.round(share * 100)}\u00a0%`;
}

/** Hundredths of R² with their sign; those below one keep a digit. */
function points(gain: number): string {
  const size = Math.abs(gain * 100);
  const text = size < 0.95 ? size.toFixed(1) : size.toFixed(0);
  return `${Number(text) === 0 ? "" : gain < 0 ? "−" : "+"}${text}`;
}

function scoreTitle(latest: LatestRecord): string {
  const lines = latest.running.map((score) => `${methodWords(score.method)}: R² ${score.r_squared === null ? NONE : score.r_squared.toFixed(3)}`);
  const { gain_over_best_baseline: gain, gain_low: low, gain_high: high } = latest;
  if (gain !== null) lines.push(`Gain ${gain.toFixed(3)}`);
  if (low !== null && high !== null) lines[lines.length - 1] += `, 95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}`;
  return [
    "How much of the ups and downs of reported liquidations, in powers of ten, a forecast made beforehand explains. The simple ones know less than the map.",
    ...lines,
    `${latest.scored_records.toLocaleString("en-US")} records of both sides; older ones count less (half-life 30 days).`,
  ].join("\n");
}

/** What stands across the page when a record warns; null: none does. */
export function alarmSentence(answers: readonly Accuracy[]): string | null {
  const bad = HORIZONS.filter((horizon) => answers.some((answer) => answer.horizon === horizon && answer.latest?.alarm === true));
  if (bad.length === 0) return null;
  const horizons = bad.join(", ");
  return `Over ${horizons} a simple forecast has lately beaten this map. Do not rely on where it puts its dollars.`;
}

/** $0.94 came true per $1 expected; null: too early to say. */
export function calibrationText(latest: LatestRecord): string | null {
  const ratio = latest.running.find((score) => score.method === "map")?.observed_over_forecast ?? null;
  return ratio === null ? null : `$${ratio.toFixed(2)} came true per $1 expected`;
}

/** Who counts, and that this is not all: the forecast is of what is reported, never of all that happens. */
export function reportersText(latest: LatestRecord): string {
  const venues = latest.reporting_venues;
  if (venues.length === 0) return "no venue reports liquidations";
  return `${venues.join(", ")} ${venues.length === 1 ? "reports" : "report"}, most only a part`;
}

/** What must be known to read the record beside a map of this scope and phase; empty: nothing. */
export function recordNotes(answer: Accuracy, scope: string, gridPhase: Phase | null, serverNowMs: number): string {
  const { latest, phase, valid_until_ms: validUntilMs } = answer;
  if (latest === null) return "";
  const notes: string[] = [];
  if (phase !== null && gridPhase !== null && phase !== gridPhase) notes.push(`This record is of ${phase} data.`);
  if (scope !== AGGREGATED) notes.push("For all venues together.");
  if (!latest.complete) notes.push("The last hour was interrupted, not scored.");
  if (phase === "live" && validUntilMs !== null && serverNowMs > validUntilMs + HOUR_MS)
    notes.push(`No record since ${dayAndTime(latest.frozen_time_ms)}.`);
  return notes.join(" ");
}
