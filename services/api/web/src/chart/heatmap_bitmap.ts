/** The closed columns as pixels: one canvas a reduction level, a pixel a cell, painted again only when needed. */

import { reducePlane, type Plane } from "../model/aggregation.ts";
import { paint, type Handles } from "../model/colours.ts";
import type { HeatHistory } from "../model/heat_history.ts";

interface Level {
  readonly long: Plane;
  readonly short: Plane;
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  readonly image: ImageData;
  paintedFor: Handles | null;
}

export class HeatmapBitmap {
  private history: HeatHistory | null = null;
  private handles: Handles = { low: 1, high: 255 };
  private readonly levels = new Map<string, Level>();

  setHistory(history: HeatHistory | null): void {
    this.history = history;
    this.levels.clear();
  }

  setHandles(handles: Handles): void {
    this.handles = handles;
  }

  /** Canvas of a level, one pixel a cell, highest price first; null: nothing to draw. */
  canvas(timeLevel: number, priceLevel: number): HTMLCanvasElement | null {
    if (this.history === null || this.history.bins === 0) return null;
    const name = `${timeLevel}/${priceLevel}`;
    let level = this.levels.get(name);
    if (level === undefined) {
      level = build(this.history, timeLevel, priceLevel);
      this.levels.set(name, level);
    }
    if (level.paintedFor !== this.handles) this.repaint(level);
    return level.canvas;
  }

  private repaint(level: Level): void {
    const started = performance.now();
    const pixels = new Uint32Array(level.image.data.buffer);
    paint(level.long.codes, level.short.codes, level.long.columns, level.long.rows, this.handles, pixels);
    level.context.putImageData(level.image, 0, 0);
    level.paintedFor = this.handles;
    // The last measurement only: the browser's list of them would grow without bound.
    performance.clearMeasures("liqheat-recolour");
    performance.measure("liqheat-recolour", { start: started, end: performance.now() });
  }
}

function build(history: HeatHistory, timeLevel: number, priceLevel: number): Level {
  const { columns, bins, levels } = history;
  const long = reducePlane({ codes: history.long, columns, rows: bins }, timeLevel, priceLevel, levels);
  const short = reducePlane({ codes: history.short, columns, rows: bins }, timeLevel, priceLevel, levels);
  const canvas = document.createElement("canvas");
  canvas.width = long.columns;
  canvas.height = long.rows;
  const context = canvas.getContext("2d")!;
  return { long, short, canvas, context, image: context.createImageData(long.columns, long.rows), paintedFor: null };
}
