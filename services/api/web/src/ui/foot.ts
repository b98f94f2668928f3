/** Feeds with their age, and how much of the map is measured, estimated and covered. */

import { deleveragingSummary } from "../model/deleveraging.ts";
import { age, wholePercent } from "../model/format.ts";
import type { Member, Provenance } from "../model/honesty.ts";
import { heardSummary, heardWords } from "../model/liquidation_feed.ts";
import { byId, make } from "./dom.ts";

const OLD_MS = 10_000;

export class Foot {
  private readonly feeds = byId("feeds");
  private readonly provenance = byId("provenance");
  private shownFeeds = "";
  private shownProvenance = "";

  /**
   * `gridMs`: the grid's time. `sinceGridMs`: time since the grid, added to the ages that it states; 0 where the data has
   * a clock of its own.
   */
  show(provenance: Provenance | null, gridMs: number, sinceGridMs: number): void {
    const members = provenance?.members ?? [];
    const venues = [...new Set(members.map((member) => member.venue))];
    const texts = venues.map((venue) => {
      const markets = members.filter((member) => member.venue === venue);
      return venueFeed(venue, markets.map((member) => feed(member, gridMs, sinceGridMs)));
    });
    const all = texts.map((item) => item.text + item.classes + item.title).join();
    if (all !== this.shownFeeds || members.length === 0) {
      this.shownFeeds = all;
      this.feeds.replaceChildren(
        ...(texts.length > 0 ? texts.map((item) => make("span", item.classes, [item.text], item.title)) : ["No feed yet."]),
      );
    }
    if (provenance !== null) this.showProvenance(provenance, gridMs);
    else this.provenance.replaceChildren();
  }

  private showProvenance(provenance: Provenance, gridMs: number): void {
    const heard = heardSummary(provenance.members, gridMs);
    const deleveraging = deleveragingSummary(provenance.members);
    const items: readonly (readonly [string, string, string?])[] = [
      ...(deleveraging === null ? [] : [[deleveraging.text, deleveraging.title, "warning"] as const]),
      [`estimated ${wholePercent(provenance.estimated_share)}`, "Part of the map's dollars that a model estimates."],
      [`measured ${wholePercent(provenance.measured_share)}`, "Part that is exact, from positions that are public on a chain."],
      [`coverage ${wholePercent(provenance.coverage_share)}`, "Part of the open interest that has a history behind it."],
      [
        `reported ${provenance.reported_share === null ? "–" : wholePercent(provenance.reported_share)}`,
        "Part that venues are expected to report if it were swept now.",
      ],
      ...(heard === null ? [] : [[heard.text, heard.title] as const]),
      [`model ${provenance.model_version}`, "Version of the model."],
    ];
    const all = items.flat().join();
    if (all === this.shownProvenance) return;
    this.shownProvenance = all;
    this.provenance.replaceChildren(...items.map(([text, title, classes]) => make("span", classes ?? "", [text], title)));
  }
}

function worse(one: Feed, other: Feed): Feed {
  if (one.bad !== other.bad) return one.bad ? one : other;
  return (other.ageMs ?? Infinity) > (one.ageMs ?? Infinity) ? other : one;
}

interface Feed {
  /** Age of the youngest stream; null: none was heard. */
  readonly ageMs: number | null;
  readonly state: string;
  readonly bad: boolean;
  readonly title: string;
}

/** A venue of which several markets count says the worst of them; the title tells each. */
function venueFeed(venue: string, feeds: readonly Feed[]): { text: string; classes: string; title: string } {
  const worst = feeds.reduce(worse);
  return {
    text: `${venue} ${worst.ageMs === null ? "–" : age(worst.ageMs)}${worst.state}`,
    classes: worst.bad ? "feed bad" : "feed",
    title: feeds.map((item) => item.title).join("\n\n"),
  };
}

function feed(member: Member, gridMs: number, sinceGridMs: number): Feed {
  const ages = Object.entries(member.stream_age_ms).flatMap(([stream, ms]) => (ms === null ? [] : [[stream, ms + sinceGridMs] as const]));
  const youngest = ages.length === 0 ? null : Math.min(...ages.map(([, ms]) => ms));
  const bad = member.state !== "live" || member.interrupted_streams.length > 0 || youngest === null || youngest > OLD_MS;
  const state = member.state === "live" ? "" : ` ${member.state}`;
  const lines = [
    `${member.symbol}, ${member.state}`,
    ...ages.map(([stream, ms]) => `${stream}: ${age(ms)} ago`),
    ...member.interrupted_streams.map((stream) => `${stream}: interrupted`),
    ...(member.liquidation_feed ? [heardWords(member.liquidation_feed, gridMs, member.shown_liquidation_usd_share)] : []),
    `mark price ${member.mark_price_kind.replaceAll("-", " ")}`,
    `coverage ${wholePercent(member.coverage_share)}`,
  ];
  return { ageMs: youngest, state, bad, title: lines.join("\n") };
}
