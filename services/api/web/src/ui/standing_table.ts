/** What would be liquidated if price moved straight by a few percent, down and up. */

import { formatPrice, longUsd, percent, sharePercent, shortUsd } from "../model/format.ts";
import { usdOnTheWay, type StandingMap } from "../model/standing.ts";
import { byId, make } from "./dom.ts";

const MOVES = [0.02, 0.05, 0.1];

export class StandingTable {
  private readonly root = byId("standing");

  /** `reportedShare`: part of it that venues are expected to report; it is said beside the map and never taken off it. */
  show(map: StandingMap | null, reportedShare: number | null): void {
    if (map === null) {
      this.root.replaceChildren(make("p", "none", ["No map yet."]));
      return;
    }
    const rows = MOVES.map((move) => ({
      move,
      down: usdOnTheWay(map, map.markPrice * (1 - move)).usd,
      up: usdOnTheWay(map, map.markPrice * (1 + move)).usd,
    }));
    const largest = Math.max(1, ...rows.flatMap((row) => [row.down, row.up]));
    this.root.replaceChildren(
      ...rows.map((row) => this.row(map.markPrice, row.move, row.down, row.up, largest)),
      ...(reportedShare === null ? [] : [reported(reportedShare)]),
    );
  }

  private row(mark: number, move: number, down: number, up: number, largest: number): HTMLElement {
    return make("div", "standing", [
      make("span", "usd long", [shortUsd(down)], `Longs down to ${formatPrice(mark * (1 - move))}: ${longUsd(down)}`),
      bar("long", down / largest),
      make("span", "move", [`±${percent(move).replace(".0", "")}`]),
      bar("short", up / largest),
      make("span", "usd short", [shortUsd(up)], `Shorts up to ${formatPrice(mark * (1 + move))}: ${longUsd(up)}`),
    ]);
  }
}

function reported(share: number): HTMLElement {
  const title = "Most venues report only some of their liquidations, and not every position stays until it is liquidated. The dollars here are what stands.";
  return make("p", "none", [`Venues are expected to report about ${sharePercent(share)} of this.`], title);
}

function bar(side: "long" | "short", part: number): HTMLElement {
  const fill = make("i", "");
  fill.style.width = `${Math.round(part * 100)}%`;
  return make("span", `bar-track ${side}`, [fill]);
}
