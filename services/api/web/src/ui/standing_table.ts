/** What would be liquidated if price moved straight by a few percent, down and up. */

import { formatPrice, longUsd, percent, shortUsd } from "../model/format.ts";
import { usdOnTheWay, type StandingMap } from "../model/standing.ts";
import { byId, make } from "./dom.ts";

const MOVES = [0.02, 0.05, 0.1];

export class StandingTable {
  private readonly root = byId("standing");

  show(map: StandingMap | null): void {
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
    this.root.replaceChildren(...rows.map((row) => this.row(map.markPrice, row.move, row.down, row.up, largest)));
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

function bar(side: "long" | "short", part: number): HTMLElement {
  const fill = make("i", "");
  fill.style.width = `${Math.round(part * 100)}%`;
  return make("span", `bar-track ${side}`, [fill]);
}
