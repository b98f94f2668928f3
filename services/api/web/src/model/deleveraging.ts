/** Suspected auto-deleveraging of a map's markets, in plain words. */

import { dayAndTime, shortUsd } from "./format.ts";

/** `provenance.members[].deleveraging`. */
export interface Deleveraging {
  readonly suspected_from_ms: number;
  readonly suspected_to_ms: number;
  /** The winning side, which was cut. */
  readonly deleveraged_side: "long" | "short";
  readonly deleveraged_usd: number;
}

export interface DeleveragedMember {
  readonly venue: string;
  readonly symbol: string;
  /** Absent or null: none is suspected in the last day, or the map is older than this field. */
  readonly deleveraging?: Deleveraging | null;
}

/** What the foot says of all members together, and a line for each suspicion. Null: there is none. */
export function deleveragingSummary(members: readonly DeleveragedMember[]): { readonly text: string; readonly title: string } | null {
  const told = members.flatMap(({ venue, symbol, deleveraging }) => (deleveraging ? [{ name: `${venue} ${symbol}`, deleveraging }] : []));
  if (told.length === 0) return null;
  const latestMs = Math.max(...told.map(({ deleveraging }) => deleveraging.suspected_to_ms));
  return {
    text: `deleveraging suspected ${dayAndTime(latestMs)}`,
    title: [
      "Open interest fell far more than liquidations and volume explain, in a violent move. No venue says so; it is inferred.",
      ...told.map(({ name, deleveraging }) => line(name, deleveraging)),
    ].join("\n"),
  };
}

function line(name: string, told: Deleveraging): string {
  const span = `${dayAndTime(told.suspected_from_ms)} to ${dayAndTime(told.suspected_to_ms)}`;
  return `${name}: ${span}, about ${shortUsd(told.deleveraged_usd)} of ${told.deleveraged_side}s`;
}
