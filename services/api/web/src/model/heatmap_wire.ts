/** Reading `GET /v1/heatmap/{coin}`: a length, a JSON header, then two planes of one byte a bin and column. */

import type { Levels } from "./levels.ts";
import { isTimeframe, type Timeframe } from "./timeframes.ts";

export const CANDLE_FIELDS = [
  "open",
  "high",
  "low",
  "close",
  "volume_usd",
  "cvd",
  "open_interest_usd",
  "liquidated_long",
  "liquidated_short",
  "consumed_long",
  "consumed_short",
] as const;
export type CandleField = (typeof CANDLE_FIELDS)[number];
/** One value a column; null: no price was seen in it. */
export type CandleColumns = Record<CandleField, (number | null)[]>;

/** Closed columns as the api sends them. Planes are bin-major: all columns of the lowest bin first. */
export interface HeatmapPart {
  readonly coin: string;
  readonly scope: string;
  readonly timeframe: Timeframe;
  readonly binWidth: number;
  readonly firstBin: number;
  readonly bins: number;
  readonly columns: number;
  readonly levels: Levels;
  readonly openTimeMs: readonly number[];
  readonly candles: CandleColumns;
  readonly incomplete: readonly boolean[];
  readonly long: Uint8Array;
  readonly short: Uint8Array;
}

export class MalformedHeatmap extends Error {}

/** Decode a response body. Raises MalformedHeatmap with what is wrong. */
export function decodeHeatmap(body: ArrayBuffer): HeatmapPart {
  if (body.byteLength < 4) throw new MalformedHeatmap(`${body.byteLength} bytes are too few for a heatmap`);
  const headerBytes = new DataView(body).getUint32(0, true);
  const planesAt = 4 + headerBytes;
  if (planesAt > body.byteLength) throw new MalformedHeatmap(`header of ${headerBytes} bytes is cut off`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, headerBytes))) as Record<string, unknown>;
  const bins = whole(header, "bins");
  const columns = whole(header, "columns");
  const cells = bins * columns;
  if (body.byteLength - planesAt !== 2 * cells)
    throw new MalformedHeatmap(`${bins} bins x ${columns} columns need ${2 * cells} bytes, got ${body.byteLength - planesAt}`);
  const timeframe = String(header["timeframe"]);
  if (!isTimeframe(timeframe)) throw new MalformedHeatmap(`unknown timeframe ${timeframe}`);
  return {
    coin: String(header["coin"]),
    scope: String(header["scope"]),
    timeframe,
    binWidth: number(header, "bin_width"),
    firstBin: columns === 0 ? 0 : whole(header, "first_bin"),
    bins,
    columns,
    levels: { floorUsd: number(header, "level_floor_usd"), ratio: number(header, "level_ratio") },
    openTimeMs: list<number>(header, "open_time_ms", columns),
    candles: candles(header["candles"], columns),
    incomplete: list<boolean>(header, "incomplete", columns),
    long: new Uint8Array(body, planesAt, cells),
    short: new Uint8Array(body, planesAt + cells, cells),
  };
}

function number(header: Record<string, unknown>, name: string): number {
  const value = header[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new MalformedHeatmap(`${name} is not a number`);
  return value;
}

function whole(header: Record<string, unknown>, name: string): number {
  const value = number(header, name);
  if (!Number.isInteger(value)) throw new MalformedHeatmap(`${name} is not a whole number`);
  return value;
}

function list<T>(header: Record<string, unknown>, name: string, length: number): T[] {
  const value = header[name];
  if (!Array.isArray(value) || value.length !== length)
    throw new MalformedHeatmap(`${name} is not a list of ${length} values`);
  return value as T[];
}

function candles(value: unknown, columns: number): CandleColumns {
  const source = (value ?? {}) as Record<string, unknown>;
  const result = {} as CandleColumns;
  for (const field of CANDLE_FIELDS) result[field] = list<number | null>(source, field, columns);
  return result;
}
