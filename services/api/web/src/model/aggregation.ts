/**
 * Fewer, larger cells for a zoomed-out view, so that no cell is smaller than a device pixel and none is skipped.
 *
 * Over price the largest bin wins: a narrow zone keeps its shade at every zoom, and the dollars of the legend stay
 * "per bin". Over time it is the mean in dollars: an estimate stands for hours, so a sum would count it again in every
 * column, and a maximum would show an hour as if it had lasted a day. The two sides are reduced apart.
 */

import { MAX_CODE, usdTable, type Levels } from "./levels.ts";

/** Halvings needed until a cell of `cellPixels` device pixels covers at least one pixel. */
export function reductionLevel(cellPixels: number): number {
  if (!(cellPixels > 0)) return 0;
  return Math.min(10, Math.max(0, Math.ceil(-Math.log2(cellPixels))));
}

export interface Plane {
  readonly codes: Uint8Array;
  readonly columns: number;
  readonly rows: number;
}

/** Reduce a bin-major plane by `2 ** timeLevel` columns and `2 ** priceLevel` rows. */
export function reducePlane(plane: Plane, timeLevel: number, priceLevel: number, levels: Levels): Plane {
  const rows = priceLevel === 0 ? plane : largestOverRows(plane, 1 << priceLevel);
  return timeLevel === 0 ? rows : meanOverColumns(rows, 1 << timeLevel, levels);
}

function largestOverRows(plane: Plane, factor: number): Plane {
  const rows = Math.ceil(plane.rows / factor);
  const codes = new Uint8Array(rows * plane.columns);
  for (let row = 0; row < plane.rows; row++) {
    const base = Math.floor(row / factor) * plane.columns;
    const from = row * plane.columns;
    for (let column = 0; column < plane.columns; column++) {
      const code = plane.codes[from + column]!;
      if (code > codes[base + column]!) codes[base + column] = code;
    }
  }
  return { codes, columns: plane.columns, rows };
}

function meanOverColumns(plane: Plane, factor: number, levels: Levels): Plane {
  const columns = Math.ceil(plane.columns / factor);
  const codes = new Uint8Array(plane.rows * columns);
  const usd = usdTable(levels);
  const scale = 1 / Math.log(levels.ratio);
  const offset = 1 - Math.log(levels.floorUsd) * scale;
  for (let row = 0; row < plane.rows; row++) {
    const from = row * plane.columns;
    for (let column = 0; column < columns; column++) {
      const start = column * factor;
      const end = Math.min(start + factor, plane.columns);
      let sum = 0;
      for (let i = start; i < end; i++) sum += usd[plane.codes[from + i]!]!;
      if (sum === 0) continue;
      const code = Math.round(Math.log(sum / (end - start)) * scale + offset);
      codes[row * columns + column] = Math.max(0, Math.min(MAX_CODE, code));
    }
  }
  return { codes, columns, rows: plane.rows };
}
