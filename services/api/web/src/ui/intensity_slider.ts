/** The two-handle slider: dark below the lower handle, full above the upper one, dollars at both. It is the legend. */

import { CLASSES, classColour, classOf, css, type Handles, type Side } from "../model/colours.ts";
import { longUsd, shortUsd } from "../model/format.ts";
import { MIN_GAP, separated } from "../model/intensity.ts";
import { usdOfCode, type Levels } from "../model/levels.ts";
import { byId, setText } from "./dom.ts";

export class IntensitySlider {
  private readonly low = byId<HTMLInputElement>("low");
  private readonly high = byId<HTMLInputElement>("high");
  private readonly lowUsd = byId("intensity-low");
  private readonly highUsd = byId("intensity-high");
  private readonly legend = byId<HTMLCanvasElement>("legend");
  private bounds: Handles = { low: 1, high: 255 };

  constructor(changed: (handles: Handles) => void) {
    this.low.addEventListener("input", () => {
      changed(separated({ low: Math.min(this.low.valueAsNumber, this.high.valueAsNumber - MIN_GAP), high: this.high.valueAsNumber }));
    });
    this.high.addEventListener("input", () => {
      changed(separated({ low: this.low.valueAsNumber, high: Math.max(this.high.valueAsNumber, this.low.valueAsNumber + MIN_GAP) }));
    });
  }

  /** Codes that the ends of the track stand for. */
  setBounds(bounds: Handles): void {
    this.bounds = bounds;
    for (const input of [this.low, this.high]) {
      input.min = String(bounds.low);
      input.max = String(bounds.high);
    }
  }

  show(handles: Handles, levels: Levels, binWidth: number): void {
    if (handles.low < this.bounds.low || handles.high > this.bounds.high)
      this.setBounds({ low: Math.min(handles.low, this.bounds.low), high: Math.max(handles.high, this.bounds.high) });
    this.low.value = String(handles.low);
    this.high.value = String(handles.high);
    const per = `estimated, per ${(binWidth * 100).toFixed(1)} % of price`;
    describe(this.low, this.lowUsd, usdOfCode(levels, handles.low), `Dark below`, per);
    describe(this.high, this.highUsd, usdOfCode(levels, handles.high), `Full from`, per);
    this.paint(handles);
  }

  private paint(handles: Handles): void {
    const context = this.legend.getContext("2d")!;
    const { width, height } = this.legend;
    context.clearRect(0, 0, width, height);
    const sides: readonly Side[] = ["short", "long"];
    for (let x = 0; x < width; x++) {
      const code = this.bounds.low + (x / (width - 1)) * (this.bounds.high - this.bounds.low);
      const level = Math.min(CLASSES, classOf(code, handles));
      sides.forEach((side, row) => {
        context.fillStyle = level === 0 ? "#161c25" : css(classColour(side, level));
        context.fillRect(x, (row * height) / 2, 1, height / 2 - 0.5);
      });
    }
  }
}

function describe(input: HTMLInputElement, output: HTMLElement, usd: number, what: string, per: string): void {
  setText(output, shortUsd(usd));
  output.title = `${what} ${longUsd(usd)} (${per})`;
  input.setAttribute("aria-valuetext", `${shortUsd(usd)}, ${per}`);
  input.title = output.title;
}
