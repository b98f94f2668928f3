/**
 * What the page must say about its own trustworthiness. One list of notices, the gravest first; LIVE only when there is
 * nothing to say.
 */

import { age, clock, fullTime } from "./format.ts";
import type { Deleveraging } from "./deleveraging.ts";
import type { LiquidationFeed } from "./liquidation_feed.ts";

export type Phase = "live" | "backfill" | "replay" | "simulated";

export interface Member {
  readonly venue: string;
  readonly symbol: string;
  readonly state: "cold" | "backfilling" | "live" | "quarantined";
  readonly open_interest_usd: number | null;
  readonly stream_age_ms: Readonly<Record<string, number | null>>;
  readonly mark_price_kind: "reported" | "estimated-from-trades";
  readonly coverage_share: number;
  readonly interrupted_streams: readonly string[];
  /** Absent: nothing was told of a feed, or the map is older than this field. */
  readonly liquidation_feed?: LiquidationFeed | null;
  readonly shown_liquidation_usd_share?: number | null;
  readonly deleveraging?: Deleveraging | null;
}

export interface Provenance {
  readonly members: readonly Member[];
  readonly estimated_share: number;
  readonly measured_share: number;
  readonly reported_share: number | null;
  readonly coverage_share: number;
  readonly model_version: string;
  readonly history_lost: boolean;
  readonly incomplete: boolean;
  readonly rejected_events: number;
}

export interface Situation {
  /** The last request was answered. */
  readonly apiReachable: boolean;
  readonly streamOpen: boolean;
  readonly streamState: "ok" | "stale" | null;
  readonly grid: {
    readonly phase: Phase;
    readonly eventTimeMs: number;
    readonly validUntilMs: number;
    readonly cadenceMs: number;
    readonly provenance: Provenance;
  } | null;
  /** What the record of the map warns of. */
  readonly alarm: string | null;
  readonly serverNowMs: number;
  /** Since a grid last came in. */
  readonly silentMs: number;
}

export type Kind = "live" | "away" | "stale" | "simulated" | "replay" | "backfill" | "partial" | "doubt" | "waiting";

export interface Notice {
  readonly kind: Kind;
  readonly label: string;
  readonly sentence: string;
}

export interface Verdict {
  readonly notices: readonly [Notice, ...Notice[]];
  /** What stands beside the label: the age of live data, the time of other data. */
  readonly detail: string;
  /** The map is too old to look fresh. */
  readonly faded: boolean;
}

/** A simulator or replay has no wall clock to be late against: its own silence tells. */
const SILENCE_MS = 15_000;

export function judge(situation: Situation): Verdict {
  const { grid } = situation;
  const notices: Notice[] = [];
  if (!situation.apiReachable)
    notices.push({
      kind: "away",
      label: "API AWAY",
      sentence: `Cannot reach the api, retrying.${grid === null ? "" : ` The map is from ${fullTime(grid.eventTimeMs)}.`}`,
    });
  const stale = grid !== null && isStale(situation, grid);
  if (grid !== null) {
    if (stale) notices.push(staleNotice(situation, grid));
    const phase = phaseNotice(grid.phase, grid.eventTimeMs, grid.provenance);
    if (phase !== null) notices.push(phase);
    if (grid.provenance.incomplete || grid.provenance.history_lost) notices.push(partialNotice(grid.provenance));
    if (situation.alarm !== null) notices.push({ kind: "doubt", label: "WEAK RECORD", sentence: situation.alarm });
  }
  const [gravest, ...others] = notices;
  if (gravest !== undefined)
    return { notices: [gravest, ...others], detail: detail(grid, situation), faded: stale || !situation.apiReachable };
  if (grid === null)
    return {
      notices: [{ kind: "waiting", label: "WAITING", sentence: "Waiting for the first map of this coin." }],
      detail: "",
      faded: false,
    };
  return {
    notices: [{ kind: "live", label: "LIVE", sentence: "Market data as it comes in. The map itself is an estimate." }],
    detail: detail(grid, situation),
    faded: false,
  };
}

type GridFacts = NonNullable<Situation["grid"]>;

function isStale(situation: Situation, grid: GridFacts): boolean {
  if (grid.phase === "replay") return false;
  if (grid.phase === "simulated") return situation.silentMs > Math.max(SILENCE_MS, 5 * grid.cadenceMs);
  return situation.serverNowMs > grid.validUntilMs || situation.streamState === "stale";
}

function staleNotice(situation: Situation, grid: GridFacts): Notice {
  const old = grid.phase === "simulated" ? situation.silentMs : situation.serverNowMs - grid.eventTimeMs;
  return {
    kind: "stale",
    label: "STALE",
    sentence: `No new data for ${age(old)}: this is the map of ${fullTime(grid.eventTimeMs)}, and price has moved on since.`,
  };
}

function phaseNotice(phase: Phase, eventTimeMs: number, provenance: Provenance): Notice | null {
  if (phase === "simulated")
    return {
      kind: "simulated",
      label: "SIMULATED",
      sentence: `A made-up market of agents with known positions. No price here is real. Its clock says ${fullTime(eventTimeMs)}.`,
    };
  if (phase === "replay")
    return {
      kind: "replay",
      label: "REPLAY",
      sentence: `Recorded market data played back, now at ${fullTime(eventTimeMs)}. This is not the market of today.`,
    };
  const loading = provenance.members.filter((member) => member.state === "backfilling").map((member) => member.venue);
  if (phase === "backfill" || loading.length > 0)
    return {
      kind: "backfill",
      label: "BACKFILLING",
      sentence: `History ${loading.length > 0 ? `of ${[...new Set(loading)].join(", ")} ` : ""}is still being loaded; the map is filling up and too low until then.`,
    };
  return null;
}

function partialNotice(provenance: Provenance): Notice {
  const reasons = provenance.members.flatMap((member) => {
    if (member.state === "quarantined" || member.state === "cold") return [`${member.venue} is ${member.state}`];
    if (member.interrupted_streams.length > 0) return [`${member.venue} lacks ${member.interrupted_streams.join(", ")}`];
    return [];
  });
  if (provenance.history_lost) reasons.push("events were deleted before they were read, so the map started again from nothing");
  if (provenance.rejected_events > 0) reasons.push(`${provenance.rejected_events.toLocaleString("en-US")} inputs were rejected`);
  return {
    kind: "partial",
    label: "PARTIAL",
    sentence: `Something is missing from this map${reasons.length > 0 ? `: ${reasons.join("; ")}` : ""}. True sizes may differ.`,
  };
}

function detail(grid: GridFacts | null, situation: Situation): string {
  if (grid === null) return "";
  if (grid.phase === "live" || grid.phase === "backfill") return age(situation.serverNowMs - grid.eventTimeMs);
  const paused = situation.silentMs > SILENCE_MS ? ", standing still" : "";
  return `${new Date(grid.eventTimeMs).toISOString().slice(0, 10)} ${clock(grid.eventTimeMs)} UTC${paused}`;
}
