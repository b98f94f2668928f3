import assert from "node:assert/strict";
import { test } from "node:test";

import { reducePlane, reductionLevel } from "../src/model/aggregation.ts";
import { closedUntilMs, mergeHistory, planesBetween } from "../src/model/heat_history.ts";
import { CANDLE_FIELDS, decodeHeatmap, MalformedHeatmap, type HeatmapPart } from "../src/model/heatmap_wire.ts";
import { codeOfUsd, usdOfCode } from "../src/model/levels.ts";

const LEVELS = { floorUsd: 100, ratio: 10 ** (8 / 254) };
const HOUR = 3_600_000;

function header(columns: number, bins: number): Record<string, unknown> {
  const column = Array.from({ length: columns }, (_, i) => i);
  return {
    coin: "BTC",
    scope: "aggregated",
    timeframe: "1h",
    bin_width: 0.001,
    first_bin: 11_000,
    bins,
    columns,
    level_floor_usd: LEVELS.floorUsd,
    level_ratio: LEVELS.ratio,
    open_time_ms: column.map((i) => i * HOUR),
    candles: Object.fromEntries(CANDLE_FIELDS.map((name) => [name, column])),
    incomplete: column.map(() => false),
  };
}

function body(head: Record<string, unknown>, planes: readonly number[]): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const bytes = new Uint8Array(4 + text.length + planes.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(planes, 4 + text.length);
  return bytes.buffer;
}

function part(times: readonly number[], firstBin: number, long: readonly number[], bins: number): HeatmapPart {
  const columns = times.length;
  return {
    coin: "BTC",
    scope: "aggregated",
    timeframe: "1h",
    binWidth: 0.001,
    firstBin,
    bins,
    columns,
    levels: LEVELS,
    openTimeMs: times.map((time) => time * HOUR),
    candles: Object.fromEntries(CANDLE_FIELDS.map((name) => [name, times.map((time) => time)])) as HeatmapPart["candles"],
    incomplete: times.map((time) => time === 3),
    long: new Uint8Array(long),
    short: new Uint8Array(long.length),
  };
}

test("a heatmap is decoded plane by plane", () => {
  const decoded = decodeHeatmap(body(header(3, 2), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
  assert.equal(decoded.columns, 3);
  assert.deepEqual([...decoded.long], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...decoded.short], [7, 8, 9, 10, 11, 12]);
  assert.deepEqual(decoded.candles.cvd, [0, 1, 2]);
});

test("what is not a heatmap is refused by name", () => {
  assert.throws(() => decodeHeatmap(new ArrayBuffer(2)), MalformedHeatmap);
  assert.throws(() => decodeHeatmap(body(header(3, 2), [1, 2])), /need 12 bytes, got 2/);
  assert.throws(() => decodeHeatmap(body({ ...header(1, 1), timeframe: "7h" }, [0, 0])), /unknown timeframe 7h/);
  assert.throws(() => decodeHeatmap(body({ ...header(1, 1), incomplete: [] }, [0, 0])), /incomplete/);
  assert.throws(() => decodeHeatmap(body({ ...header(1, 1), bins: 1.5 }, [0, 0])), /bins is not a whole number/);
});

test("no columns at all is a heatmap, too", () => {
  const decoded = decodeHeatmap(body({ ...header(0, 0), first_bin: null }, []));
  assert.equal(mergeHistory(null, decoded), null);
});

test("new columns widen the bins, holes stay holes, and old columns keep every code", () => {
  const first = mergeHistory(null, part([1, 2], 100, [1, 2, 3, 4], 2))!;
  const merged = mergeHistory(first, part([4], 99, [7, 8, 9], 3))!;
  assert.equal(merged.firstBin, 99);
  assert.equal(merged.columns, 4);
  assert.deepEqual(merged.present, [true, true, false, true]);
  assert.deepEqual([...merged.long], [0, 0, 0, 7, 1, 2, 0, 8, 3, 4, 0, 9]);
  assert.deepEqual(merged.candles.open, [1, 2, null, 4]);
  assert.equal(closedUntilMs(merged), 5 * HOUR);
});

test("the planes between two prices are those of their bins, both included", () => {
  const history = mergeHistory(null, part([1, 2], 0, [1, 2, 3, 4, 5, 6, 7, 8], 4))!;
  const price = (bin: number): number => Math.exp((bin + 0.5) * 0.001);
  assert.deepEqual([...planesBetween(history, price(1), price(2))[0]!], [3, 4, 5, 6]);
  assert.deepEqual([...planesBetween(history, price(-9), price(99))[0]!], [1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a late column fills its hole", () => {
  const held = mergeHistory(mergeHistory(null, part([1], 10, [5], 1)), part([3], 10, [6], 1))!;
  const merged = mergeHistory(held, part([2], 10, [9], 1))!;
  assert.deepEqual([...merged.long], [5, 9, 6]);
  assert.deepEqual(merged.present, [true, true, true]);
  assert.deepEqual(merged.incomplete, [false, false, true]);
});

test("only the latest columns are kept", () => {
  const merged = mergeHistory(part_(6), part([7, 8], 10, [70, 80], 1), 4)!;
  assert.equal(merged.firstOpenMs, 5 * HOUR);
  assert.deepEqual([...merged.long], [5, 6, 70, 80]);
});

function part_(last: number): ReturnType<typeof mergeHistory> {
  const times = Array.from({ length: last }, (_, i) => i + 1);
  return mergeHistory(null, part(times, 10, times, 1));
}

test("cells are joined only as far as needed to be a pixel wide", () => {
  assert.equal(reductionLevel(3.2), 0);
  assert.equal(reductionLevel(1), 0);
  assert.equal(reductionLevel(0.99), 1);
  assert.equal(reductionLevel(0.5), 1);
  assert.equal(reductionLevel(0.2), 3);
  assert.equal(reductionLevel(Number.NaN), 0);
});

test("over price the largest bin is kept: no spike is lost at any level", () => {
  const rows = 1_000;
  const codes = new Uint8Array(rows);
  for (let i = 7; i < rows; i += 45) codes[i] = 200;
  for (const level of [1, 2, 3]) {
    const reduced = reducePlane({ codes, columns: 1, rows }, 0, level, LEVELS);
    assert.equal(reduced.codes.filter((code) => code === 200).length, codes.filter((code) => code === 200).length);
  }
});

test("over time it is the mean in dollars: what stood all along keeps its shade, what stood half as long has half", () => {
  const million = codeOfUsd(LEVELS, 1e6);
  const codes = new Uint8Array([million, million, million, million, million, 0, 0, 0]);
  const reduced = reducePlane({ codes, columns: 4, rows: 2 }, 2, 0, LEVELS);
  assert.equal(reduced.columns, 1);
  assert.equal(reduced.codes[0], million);
  assert.ok(Math.abs(usdOfCode(LEVELS, reduced.codes[1]!) / 2.5e5 - 1) < 0.06);
});

test("a last group that is not full is the mean of what there is", () => {
  const million = codeOfUsd(LEVELS, 1e6);
  const reduced = reducePlane({ codes: new Uint8Array([0, 0, million]), columns: 3, rows: 1 }, 1, 0, LEVELS);
  assert.deepEqual([...reduced.codes], [0, million]);
});
