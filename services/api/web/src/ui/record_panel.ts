/** The record: whether the map beats simpler forecasts, its last two days, and its calibration by size. */

import { dayAndTime, shortUsd } from "../model/format.ts";
import type { Phase } from "../model/honesty.ts";
import { calibrationText, HORIZONS, recordNotes, recordVerdict, reportersText, type Accuracy, type Horizon, type LatestRecord } from "../model/record.ts";
import {
  calibrationBars,
  hourRecords,
  HOURS_SHOWN,
  pairText,
  recordTitle,
  scaled,
  type HourRecord,
  type Pair,
  type UsdScale,
  usdScale,
} from "../model/record_chart.ts";
import { byId, make, setText } from "./dom.ts";

const SVG = "http://www.w3.org/2000/svg";
/** Units of the drawing: its width is stretched to the panel, its height is in CSS pixels. */
const SLOT = 10;
const HALF = 33;
const CALIBRATION_HALF = 11;

export class RecordPanel {
  private readonly root = byId("record");
  private readonly buttons = new Map<Horizon, HTMLButtonElement>();
  private readonly notes = make("p", "record-notes");
  private readonly when = make("span", "when");
  private readonly above = make("span", "pair short");
  private readonly below = make("span", "pair long");
  private shown: Accuracy | null | undefined = undefined;
  private pointed: HourRecord | null = null;
  private latest: HourRecord | null = null;

  constructor(chosen: (horizon: Horizon) => void) {
    const group = byId("horizons");
    for (const horizon of HORIZONS) {
      const button = make("button", "", [horizon], `Forecasts judged ${horizon} after they were frozen`);
      button.type = "button";
      // The timeframes have buttons of the same text.
      button.setAttribute("aria-label", `${horizon} ahead`);
      button.addEventListener("click", () => chosen(horizon));
      this.buttons.set(horizon, button);
      group.append(button);
    }
  }

  /** `scope` and `gridPhase` are those of the map beside it: a record of something else says so. */
  show(answer: Accuracy | null, horizon: Horizon, scope: string, gridPhase: Phase | null, serverNowMs: number): void {
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === horizon));
    if (answer !== this.shown) this.draw(answer);
    this.shown = answer;
    setText(this.notes, answer === null ? "" : recordNotes(answer, scope, gridPhase, serverNowMs));
  }

  private draw(answer: Accuracy | null): void {
    this.pointed = this.latest = null;
    const latest = answer?.latest ?? null;
    if (answer === null || latest === null) {
      this.root.replaceChildren(make("p", "none", [answer?.detail ?? "No record yet."]));
      return;
    }
    const records = hourRecords(answer.history);
    this.latest = records.at(-1) ?? null;
    const verdict = recordVerdict(latest);
    this.root.replaceChildren(
      make("p", `verdict ${verdict.kind}`, [verdict.text], verdict.title),
      make("p", "comparison", [verdict.detail], verdict.title),
      this.notes,
      this.chart(records, answer.horizon_ms),
      make("div", "pairs", [this.when, this.above, this.below], "Expected → reported by venues"),
      calibration(latest),
      reporters(latest),
    );
    this.showPair();
  }

  private chart(records: readonly HourRecord[], horizonMs: number): HTMLElement {
    const scale = usdScale(records);
    const span = `${shortUsd(scale.bottomUsd)} to ${shortUsd(scale.topUsd)}`;
    const svg = drawing(HOURS_SHOWN * SLOT, 2 * HALF + 1, "record-chart");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `Expected and reported liquidations of the last ${records.length} forecasts; logarithmic from ${span}`);
    svg.append(box("axis", 0, HALF, HOURS_SHOWN * SLOT, 1));
    for (const record of records) {
      const group = document.createElementNS(SVG, "g");
      group.setAttribute("class", record.complete ? "hour" : "hour incomplete");
      const title = document.createElementNS(SVG, "title");
      title.textContent = recordTitle(record, horizonMs);
      const x = record.slot * SLOT;
      group.append(title, box("hit", x, 0, SLOT, 2 * HALF + 1), ...marks("short", record.short, x, scale), ...marks("long", record.long, x, scale));
      group.addEventListener("pointerenter", () => this.point(record));
      group.addEventListener("pointerleave", () => this.point(null));
      svg.append(group);
    }
    return make("div", "record-plot", [svg, make("span", "top-usd", [`${shortUsd(scale.topUsd)}, log`], `End of the scale, which is logarithmic, from ${span}`)]);
  }

  private point(record: HourRecord | null): void {
    this.pointed = record;
    this.showPair();
  }

  private showPair(): void {
    const record = this.pointed ?? this.latest;
    if (record === null) return;
    setText(this.when, dayAndTime(record.frozenMs));
    setText(this.above, `▲ ${pairText(record.short)}`);
    setText(this.below, `▼ ${pairText(record.long)}`);
  }
}

/** A bar for what came true and a line for what was expected, from the axis outwards. */
function marks(side: "short" | "long", pair: Pair, x: number, scale: UsdScale): SVGRectElement[] {
  const found: SVGRectElement[] = [];
  const y = (height: number, thickness: number): number => (side === "short" ? HALF - height : HALF + 1 + height - thickness);
  const real = Math.round(scaled(pair.cameTrue ?? 0, scale) * HALF);
  if (real > 0) found.push(box(`came-true ${side}`, x + 2, y(real, real), SLOT - 4, real));
  if (pair.expected !== null) {
    const expected = Math.max(1, Math.round(scaled(pair.expected, scale) * HALF));
    found.push(box("expected", x + 0.5, y(expected, 1), SLOT - 1, 1));
  }
  return found;
}

function calibration(latest: LatestRecord): HTMLElement {
  const bars = calibrationBars(latest.calibration);
  const total = calibrationText(latest);
  if (total === null) return make("div", "calibration", ["Calibration: too early to say"]);
  const words = make("span", "", [total], "Sum of what venues reported over the sum of what the map expected. 1 is calibrated.");
  const width = latest.calibration.length * SLOT;
  const svg = drawing(width, 2 * CALIBRATION_HALF + 1, "calibration-chart");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Came true over expected by size of the forecast, the smallest at the left; the line is 1");
  svg.append(box("axis", 0, CALIBRATION_HALF, width, 1));
  for (const bar of bars) {
    const height = Math.max(1, Math.abs(bar.height) * CALIBRATION_HALF);
    const y = bar.height >= 0 ? CALIBRATION_HALF - height : CALIBRATION_HALF + 1;
    const group = document.createElementNS(SVG, "g");
    group.setAttribute("class", bar.few ? "few" : "");
    const title = document.createElementNS(SVG, "title");
    title.textContent = bar.title;
    group.append(title, box("hit", bar.slot * SLOT, 0, SLOT, 2 * CALIBRATION_HALF + 1), box("ratio", bar.slot * SLOT + 1, y, SLOT - 2, height));
    svg.append(group);
  }
  return make("div", "calibration", [words, make("span", "sizes", ["small", svg, "large"], "By size of the forecast: above the line more came true than expected, below it less; the ends are three times and a third")]);
}

function reporters(latest: LatestRecord): HTMLElement {
  return make("div", "reporters", [
    make("span", "", [reportersText(latest)], "Their reports are what counts as come true. Several venues report only some liquidations, so the true sums are larger."),
    make("span", "version", [latest.model_version], "Version of the model"),
  ]);
}

function drawing(width: number, height: number, classes: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  return svg;
}

function box(classes: string, x: number, y: number, width: number, height: number): SVGRectElement {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("class", classes);
  for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, String(value));
  return rect;
}
