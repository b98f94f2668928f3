/** Where the two handles of the intensity slider stand, in level codes. */

import type { Handles } from "./colours.ts";
import { codeOfUsd, MAX_CODE, usdOfCode, type Levels } from "./levels.ts";
import type { IntensityUsd } from "./url_state.ts";

/** Handles closer than this would leave no room for the classes between them. */
export const MIN_GAP = 10;
/** One press of + or −: a quarter of a decade. */
export const KEY_STEP = 8;

/**
 * Two fifths of what is in view and has dollars stay dark, at least: an estimated map has some dollars nearly everywhere,
 * and lit as a whole it would have no shape. Where little else is there, at most so much of the view is lit.
 */
const LOW_QUANTILE = 0.4;
const LIT_SHARE = 0.5;
const HIGH_QUANTILE = 0.99;
const DUST_QUANTILE = 0.12;

/** Handles from the data: the quieter part of the cells stays dark, the brightest hundredth is full. */
export function automaticHandles(planes: readonly Uint8Array[]): Handles {
  const { counts, total } = countCodes(planes);
  if (total === 0) return { low: 80, high: 200 };
  // A cell is in one of two planes, so half of all bytes are empty by nature.
  const cells = planes.reduce((sum, plane) => sum + plane.length, 0) / 2;
  const dark = Math.max(total * LOW_QUANTILE, total - cells * LIT_SHARE);
  return separated({ low: quantile(counts, dark), high: quantile(counts, total * HIGH_QUANTILE) });
}

/** What the ends of the slider stand for: nearly all the dollars there are, without the dust at the bottom. */
export function sliderBounds(planes: readonly Uint8Array[]): Handles {
  const { counts, total } = countCodes(planes);
  if (total === 0) return { low: 1, high: MAX_CODE };
  return separated({ low: quantile(counts, total * DUST_QUANTILE), high: quantile(counts, total) + 1 });
}

function countCodes(planes: readonly Uint8Array[]): { counts: Float64Array; total: number } {
  const counts = new Float64Array(MAX_CODE + 1);
  for (const plane of planes) for (let i = 0; i < plane.length; i++) counts[plane[i]!]!++;
  counts[0] = 0;
  return { counts, total: counts.reduce((a, b) => a + b, 0) };
}

function quantile(counts: Float64Array, rank: number): number {
  let seen = 0;
  for (let code = 1; code <= MAX_CODE; code++) {
    seen += counts[code]!;
    if (seen >= rank) return code;
  }
  return MAX_CODE;
}

/** Handles inside the range and at least MIN_GAP apart. */
export function separated(handles: Handles): Handles {
  const low = Math.max(1, Math.min(MAX_CODE - MIN_GAP, Math.round(handles.low)));
  return { low, high: Math.max(low + MIN_GAP, Math.min(MAX_CODE, Math.round(handles.high))) };
}

/** Brighter: both handles towards fewer dollars, keeping their distance. */
export function shifted(handles: Handles, steps: number): Handles {
  const gap = handles.high - handles.low;
  const low = Math.max(1, Math.min(MAX_CODE - gap, handles.low - steps * KEY_STEP));
  return { low, high: low + gap };
}

export function handlesOf(intensity: IntensityUsd, levels: Levels): Handles {
  return separated({ low: codeOfUsd(levels, intensity.lowUsd), high: codeOfUsd(levels, intensity.highUsd) });
}

export function intensityOf(handles: Handles, levels: Levels): IntensityUsd {
  return { lowUsd: usdOfCode(levels, handles.low), highUsd: usdOfCode(levels, handles.high) };
}
