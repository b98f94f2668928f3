/** Colours that the canvas needs; style.css has the same ones for the rest of the page. */

import { classColour, css, type Side } from "../model/colours.ts";

export const BACKGROUND = "#090c11";
export const GRID_LINE = "rgba(148, 163, 184, 0.07)";
export const TEXT = "#93a0b1";
export const TEXT_STRONG = "#e8edf3";
export const CANDLE_UP = "#f4f7fa";
export const CANDLE_DOWN = "#8793a3";
export const CROSSHAIR = "rgba(200, 210, 222, 0.55)";
export const MARK = "#e8edf3";
export const FONT = '"Inter", "Segoe UI", system-ui, -apple-system, "Open Sans", "Helvetica Neue", sans-serif';

/** Colour of a side for text and lines, bright enough to read on the background. */
export function sideColour(side: Side, alpha = 1): string {
  return css(classColour(side, 7), alpha);
}

/** Width of "map now" at the right of the map, in CSS pixels. */
export function nowStripWidth(chartWidth: number): number {
  return chartWidth < 600 ? 64 : 124;
}
