/** How much of the time each venue's liquidations were listened to, in plain words. */

import { age, percent, wholePercent } from "./format.ts";

export type FeedKind = "complete" | "throttled" | "partial" | "unknown" | "none";

/** `provenance.members[].liquidation_feed`. */
export interface LiquidationFeed {
  readonly kind: FeedKind;
  readonly connected_since_ms: number | null;
  readonly unbroken_since_ms: number | null;
  readonly heard_share_24h: number | null;
  readonly heard_share_since_connected: number | null;
}

export interface HeardMember {
  readonly venue: string;
  readonly symbol: string;
  /** Absent: nothing was told of a feed, or the map is older than this field. */
  readonly liquidation_feed?: LiquidationFeed | null;
  /** What part of the liquidated dollars the feed shows while it is heard, by estimate. */
  readonly shown_liquidation_usd_share?: number | null;
}

const DAY_MS = 86_400_000;

const KIND_WORDS: Readonly<Record<FeedKind, string | null>> = {
  complete: null,
  throttled: "throttled to the largest per second",
  partial: "the venue leaves some out",
  unknown: "how complete is not known",
  none: null,
};

/** Liquidations heard 97.0 % of 24 h; throttled to the largest per second, about 41 % of the dollars. */
export function heardWords(feed: LiquidationFeed, nowMs: number, shownShare: number | null = null): string {
  if (feed.kind === "none") return "no public feed of liquidations";
  const parts = [`liquidations ${heard(feed, nowMs)}`, KIND_WORDS[feed.kind]];
  if (feed.kind === "throttled" && shownShare !== null) parts[1] += `, about ${wholePercent(shownShare)} of the dollars`;
  if (feed.connected_since_ms !== null && feed.unbroken_since_ms === null) parts.push("not heard now");
  return parts.filter((part) => part !== null).join("; ");
}

/** The least heard feed of a map, and a line a member. Null: no member told of a feed. */
export function heardSummary(members: readonly HeardMember[], nowMs: number): { readonly text: string; readonly title: string } | null {
  const told = members.flatMap(({ venue, symbol, liquidation_feed: feed, shown_liquidation_usd_share: shown = null }) =>
    feed ? [{ name: `${venue} ${symbol}`, feed, shown }] : [],
  );
  if (told.length === 0) return null;
  const feeds = told.map(({ feed }) => feed).filter((feed) => feed.kind !== "none");
  const least = feeds.reduce<LiquidationFeed | null>((low, feed) => (low === null || rank(feed) < rank(low) ? feed : low), null);
  const lines = told.map(({ name, feed, shown }) => `${name}: ${heardWords(feed, nowMs, shown)}`);
  return {
    // One of several figures in a line: the title says of what it is.
    text: least === null ? "no liquidation feed" : heard(least, nowMs).replace(" since connected", "").replace("of the ", "of "),
    title: ["How much of the time the venues' liquidations were listened to; the least of them is shown.", ...lines].join("\n"),
  };
}

function rank(feed: LiquidationFeed): number {
  return feed.heard_share_24h ?? 0;
}

/** A feed that is younger than a day is judged by the time that it has had. */
function heard(feed: LiquidationFeed, nowMs: number): string {
  const { connected_since_ms: sinceMs, heard_share_since_connected: share } = feed;
  if (sinceMs === null || share === null) return "not heard yet";
  const forMs = Math.max(0, nowMs - sinceMs);
  if (forMs < DAY_MS) return `heard ${atMost(share)} of the ${age(forMs)} since connected`;
  return `heard ${atMost(feed.heard_share_24h ?? 0)} of 24 h`;
}

/** Rounded down: what is not all is never told as all. */
function atMost(share: number): string {
  return percent(Math.floor(share * 1000 + 1e-9) / 1000);
}
