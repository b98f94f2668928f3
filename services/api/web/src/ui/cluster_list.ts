/** The clusters as a ladder: shorts above, the mark, longs below. Pointing at one lights its band on the map. */

import type { Cluster, Touch } from "../io/wire.ts";
import type { Side } from "../model/colours.ts";
import { age, formatPrice, fullTime, longPrice, longUsd, NONE, percent, shortUsd, sigmas, touchText, wholePercent } from "../model/format.ts";
import { byId, make, setText, setTitle } from "./dom.ts";

const PER_SIDE = 4;
/** Beside the map nothing scrolls: a low screen leaves out the smallest of a side. */
const LOW_SCREEN = matchMedia("(min-width: 901px) and (max-height: 979px)");

interface Row {
  readonly element: HTMLElement;
  readonly button: HTMLButtonElement;
  readonly cells: Readonly<Record<"arrow" | "price" | "mass" | "distance" | "sigma" | "touch" | "facts", HTMLElement>>;
}

export class ClusterList {
  private readonly root = byId("clusters");
  private readonly rows = new Map<string, Row>();
  private readonly mark = make("div", "mark-row");
  private readonly highlight: (id: string | null) => void;
  private pinned: string | null = null;

  constructor(highlight: (id: string | null) => void) {
    this.highlight = highlight;
  }

  show(clusters: readonly Cluster[], markPrice: number, dataTimeMs: number): void {
    const perSide = LOW_SCREEN.matches ? PER_SIDE - 1 : PER_SIDE;
    const above = ladder(clusters, "short", perSide);
    const below = ladder(clusters, "long", perSide);
    for (const id of this.rows.keys())
      if (![...above, ...below].some((cluster) => cluster.cluster_id === id)) this.rows.delete(id);
    const elements = (list: readonly Cluster[]): HTMLElement[] => list.map((cluster) => this.row(cluster, dataTimeMs).element);
    setText(this.mark, `mark ${formatPrice(markPrice)}`);
    const wanted: Node[] = [
      ...(above.length > 0 ? elements(above) : [make("p", "none", ["No cluster of shorts above."])]),
      this.mark,
      ...(below.length > 0 ? elements(below) : [make("p", "none", ["No cluster of longs below."])]),
    ];
    if (wanted.length !== this.root.childNodes.length || wanted.some((node, index) => node !== this.root.childNodes[index]))
      this.replaceKeepingFocus(wanted);
  }

  showNothing(sentence: string): void {
    this.rows.clear();
    this.root.replaceChildren(make("p", "none", [sentence]));
  }

  private replaceKeepingFocus(wanted: readonly Node[]): void {
    const focused = document.activeElement;
    this.root.replaceChildren(...wanted);
    if (focused instanceof HTMLElement && this.root.contains(focused)) focused.focus();
  }

  private row(cluster: Cluster, dataTimeMs: number): Row {
    let row = this.rows.get(cluster.cluster_id);
    if (row === undefined) {
      row = this.createRow(cluster);
      this.rows.set(cluster.cluster_id, row);
    }
    fillRow(row, cluster, dataTimeMs);
    row.button.setAttribute("aria-pressed", String(this.pinned === cluster.cluster_id));
    return row;
  }

  private createRow(cluster: Cluster): Row {
    const cells = {
      arrow: make("span", "arrow"),
      price: make("span", "price"),
      mass: make("span", "mass"),
      distance: make("span", "distance"),
      sigma: make("span", "sigma"),
      touch: make("span", "touch"),
      facts: make("span", "facts"),
    };
    const button = make("button", `cluster ${cluster.side}`, Object.values(cells));
    button.type = "button";
    const id = cluster.cluster_id;
    for (const type of ["pointerenter", "focus"]) button.addEventListener(type, () => this.highlight(id));
    for (const type of ["pointerleave", "blur"]) button.addEventListener(type, () => this.highlight(this.pinned));
    button.addEventListener("click", () => {
      this.pinned = this.pinned === id ? null : id;
      this.highlight(this.pinned ?? id);
      for (const [other, row] of this.rows) row.button.setAttribute("aria-pressed", String(this.pinned === other));
    });
    return { element: button, button, cells };
  }
}

/** The largest of a side, the highest price first. */
export function ladder(clusters: readonly Cluster[], side: Side, count: number): Cluster[] {
  return clusters
    .filter((cluster) => cluster.side === side)
    .sort((a, b) => b.mass_usd - a.mass_usd)
    .slice(0, count)
    .sort((a, b) => nearEdge(b) - nearEdge(a));
}

/** Where price would first meet it: the distance is counted from there. */
function nearEdge(cluster: Cluster): number {
  return cluster.side === "short" ? cluster.lower_price : cluster.upper_price;
}

/** The touch of the longest horizon up to a day: further ones say little, nearer ones are on the title. */
export function mainTouch(touches: readonly Touch[]): Touch | null {
  const day = 86_400_000;
  const within = touches.filter((touch) => touch.horizon_ms <= day);
  return [...(within.length > 0 ? within : touches)].sort((a, b) => b.horizon_ms - a.horizon_ms)[0] ?? null;
}

export function touchTitle(touches: readonly Touch[]): string {
  if (touches.length === 0) return "No chance of touch known.";
  const lines = touches.map((touch) => {
    const base =
      touch.base_rate === null
        ? "base rate unknown"
        : `base rate ${wholePercent(touch.base_rate)} (${touch.base_rate_samples.toLocaleString("en-US")} cases)`;
    return `Estimated chance of touch within ${age(touch.horizon_ms)}: ${wholePercent(touch.probability)}; ${base}`;
  });
  return `${lines.join("\n")}\nThe base rate is how often price travelled this far anyway.`;
}

function fillRow({ button, cells }: Row, cluster: Cluster, dataTimeMs: number): void {
  const touch = mainTouch(cluster.touches);
  setText(cells.arrow, cluster.side === "short" ? "▲" : "▼");
  setText(cells.price, formatPrice(nearEdge(cluster)));
  setText(cells.mass, shortUsd(cluster.mass_usd));
  setText(cells.distance, percent(cluster.distance_fraction, true));
  setText(cells.sigma, sigmas(cluster.distance_sigma));
  setText(cells.touch, touch === null ? NONE : touchText(touch.probability, touch.base_rate));
  setTitle(cells.touch, touchTitle(cluster.touches));
  setTitle(cells.mass, `Estimated ${longUsd(cluster.mass_usd)} of ${cluster.side} positions`);
  setTitle(cells.price, `Near edge; peak ${longPrice(cluster.peak_price)}, band ${longPrice(cluster.lower_price)} to ${longPrice(cluster.upper_price)}`);
  setTitle(cells.sigma, "Distance in standard deviations of the 1-hour return");
  const facts = [
    cluster.reliable ? cluster.timeframe : `${cluster.timeframe} noise`,
    `${age(dataTimeMs - cluster.formed_time_ms)} old`,
    `${percent(cluster.open_interest_share)} OI`,
  ];
  if (cluster.consumed_fraction >= 0.01) facts.push(`${wholePercent(cluster.consumed_fraction)} swept`);
  setText(cells.facts, facts.join(" · "));
  setTitle(cells.facts, `Formed ${fullTime(cluster.formed_time_ms)}`);
  button.classList.toggle("unreliable", !cluster.reliable);
}
