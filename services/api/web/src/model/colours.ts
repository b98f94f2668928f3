/**
 * Dollars to colours: cool for longs (below price), warm for shorts (above).
 *
 * Both tables rise monotonically in lightness and stay apart for the common kinds of colour blindness. A class is a flat
 * colour; there are few of them and nothing is smoothed, so a shade can be found again in the legend.
 */

import { MAX_CODE } from "./levels.ts";

export type Side = "long" | "short";

const STOPS: Readonly<Record<Side, readonly string[]>> = {
  long: ["#0d3350", "#0f5f8c", "#1f93c4", "#6cc5ec", "#d6f1ff"],
  short: ["#4d2405", "#8c3f06", "#cf6a0c", "#f7a13b", "#ffe3b3"],
};

export const CLASSES = 9;

export type Rgb = readonly [number, number, number];

function parse(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Colour of a class, 1 (dim) to CLASSES (full). */
export function classColour(side: Side, level: number): Rgb {
  const stops = STOPS[side];
  const position = ((level - 1) / (CLASSES - 1)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(position));
  const low = parse(stops[index]!);
  const high = parse(stops[index + 1]!);
  const part = position - index;
  return [0, 1, 2].map((channel) => Math.round(low[channel]! + (high[channel]! - low[channel]!) * part)) as never;
}

export function css(colour: Rgb, alpha = 1): string {
  return `rgba(${colour[0]}, ${colour[1]}, ${colour[2]}, ${alpha})`;
}

export interface Handles {
  /** Codes below are dark. */
  readonly low: number;
  /** Codes from here on are full. */
  readonly high: number;
}

/** Class of a code between the two handles: 0 is dark, CLASSES is full. */
export function classOf(code: number, handles: Handles): number {
  if (code === 0 || code < handles.low) return 0;
  if (code >= handles.high) return CLASSES;
  return 1 + Math.floor(((code - handles.low) / (handles.high - handles.low)) * (CLASSES - 1));
}

/** Pixel (little-endian RGBA) of every code of a side. */
export function lookupTable(side: Side, handles: Handles): Uint32Array {
  const table = new Uint32Array(MAX_CODE + 1);
  for (let code = 1; code <= MAX_CODE; code++) {
    const level = classOf(code, handles);
    if (level === 0) continue;
    const [red, green, blue] = classColour(side, level);
    table[code] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return table;
}

/**
 * Paint two planes into one row-flipped image: the lowest bin is the last row. Where both sides have dollars the larger
 * one gives colour and shade, so that sides never mix into a third colour.
 */
export function paint(
  long: Uint8Array,
  short: Uint8Array,
  columns: number,
  rows: number,
  handles: Handles,
  pixels: Uint32Array,
): void {
  const cool = lookupTable("long", handles);
  const warm = lookupTable("short", handles);
  for (let row = 0; row < rows; row++) {
    let source = row * columns;
    let target = (rows - 1 - row) * columns;
    for (const end = source + columns; source < end; source++, target++) {
      const below = long[source]!;
      const above = short[source]!;
      pixels[target] = below >= above ? cool[below]! : warm[above]!;
    }
  }
}
