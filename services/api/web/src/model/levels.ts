/** 8-bit log classes: 0 is empty, code c >= 1 stands for `floorUsd * ratio ** (c - 1)` dollars. */

export interface Levels {
  readonly floorUsd: number;
  readonly ratio: number;
}

export const MAX_CODE = 255;

/** Dollars of every code, so that hot loops look up instead of raising to powers. */
export function usdTable(levels: Levels): Float64Array {
  const table = new Float64Array(MAX_CODE + 1);
  for (let code = 1; code <= MAX_CODE; code++) table[code] = levels.floorUsd * levels.ratio ** (code - 1);
  return table;
}

export function usdOfCode(levels: Levels, code: number): number {
  return code < 1 ? 0 : levels.floorUsd * levels.ratio ** (code - 1);
}

/** Nearest code; less than half a step below the floor is empty. */
export function codeOfUsd(levels: Levels, usd: number): number {
  if (!(usd > 0)) return 0;
  const code = Math.round(Math.log(usd / levels.floorUsd) / Math.log(levels.ratio)) + 1;
  return code < 1 ? 0 : Math.min(MAX_CODE, code);
}

/** Codes of a list of dollars. */
export function encode(levels: Levels, usd: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const codes = new Uint8Array(usd.length);
  const scale = 1 / Math.log(levels.ratio);
  const offset = 1 - Math.log(levels.floorUsd) * scale;
  for (let i = 0; i < codes.length; i++) {
    const value = usd[i]!;
    if (value > 0) codes[i] = Math.max(0, Math.min(MAX_CODE, Math.round(Math.log(value) * scale + offset)));
  }
  return codes;
}
