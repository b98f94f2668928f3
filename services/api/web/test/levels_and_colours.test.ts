import assert from "node:assert/strict";
import { test } from "node:test";

import { CLASSES, classColour, classOf, lookupTable, paint } from "../src/model/colours.ts";
import { automaticHandles, handlesOf, intensityOf, MIN_GAP, separated, shifted, sliderBounds } from "../src/model/intensity.ts";
import { codeOfUsd, encode, usdOfCode, usdTable } from "../src/model/levels.ts";

const LEVELS = { floorUsd: 100, ratio: 10 ** (8 / 254) };

test("a code and its dollars name each other", () => {
  for (let code = 0; code <= 255; code++) assert.equal(codeOfUsd(LEVELS, usdOfCode(LEVELS, code)), code);
  assert.equal(usdOfCode(LEVELS, 1), 100);
  assert.ok(Math.abs(usdOfCode(LEVELS, 255) - 1e10) < 1);
  assert.equal(codeOfUsd(LEVELS, 10), 0);
  assert.equal(codeOfUsd(LEVELS, 1e15), 255);
  assert.equal(codeOfUsd(LEVELS, Number.NaN), 0);
});

test("a list is encoded as its members are, within 3.7 % of the dollars", () => {
  const usd = [0, 1, 99, 100, 12_345, 7.7e6, 4.4e9, 1e12];
  const table = usdTable(LEVELS);
  encode(LEVELS, usd).forEach((code, index) => {
    assert.equal(code, codeOfUsd(LEVELS, usd[index]!));
    if (usd[index]! >= 100 && usd[index]! < 1e10) assert.ok(Math.abs(table[code]! / usd[index]! - 1) < 0.037);
  });
});

test("below the lower handle it is dark, from the upper one on it is full, and shades only rise between", () => {
  const handles = { low: 100, high: 180 };
  assert.equal(classOf(0, { low: 0, high: 50 }), 0);
  assert.equal(classOf(99, handles), 0);
  assert.equal(classOf(100, handles), 1);
  assert.equal(classOf(180, handles), CLASSES);
  assert.equal(classOf(255, handles), CLASSES);
  for (let code = 1; code <= 255; code++) assert.ok(classOf(code, handles) >= classOf(code - 1, handles));
  assert.equal(lookupTable("long", handles)[99], 0);
  assert.notEqual(lookupTable("long", handles)[100], 0);
});

test("each side's colours get lighter from class to class", () => {
  const lightness = ([red, green, blue]: readonly number[]): number => 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  for (const side of ["long", "short"] as const)
    for (let level = 2; level <= CLASSES; level++)
      assert.ok(lightness(classColour(side, level)) > lightness(classColour(side, level - 1)) + 5, `${side} ${level}`);
});

test("the lowest bin is painted into the last row, and the larger side wins", () => {
  const pixels = new Uint32Array(4);
  const handles = { low: 1, high: 11 };
  const long = new Uint8Array([11, 5, 0, 3]);
  const short = new Uint8Array([0, 6, 11, 2]);
  paint(long, short, 2, 2, handles, pixels);
  const cool = lookupTable("long", handles);
  const warm = lookupTable("short", handles);
  assert.deepEqual([...pixels], [warm[11], cool[3], cool[11], warm[6]]);
});

test("automatic handles keep two fifths of what has dollars dark and a few cells full", () => {
  const plane = new Uint8Array(10_000);
  for (let i = 0; i < 5_000; i++) plane[i] = 60 + (i % 100);
  for (let i = 0; i < 10; i++) plane[i] = 220;
  const handles = automaticHandles([plane, new Uint8Array(10_000)]);
  const lit = plane.filter((code) => code >= handles.low).length;
  assert.ok(lit > 2_800 && lit <= 3_100, `${lit} lit`);
  assert.ok(handles.high > 150 && handles.high <= 220);
  const everywhere = new Uint8Array(10_000).map((_, i) => 60 + (i % 100));
  const dense = automaticHandles([everywhere, everywhere]);
  const litOfDense = everywhere.filter((code) => code >= dense.low).length;
  assert.ok(litOfDense <= 5_300, `${litOfDense} of a map without empty cells are lit`);
  const bounds = sliderBounds([plane]);
  assert.ok(bounds.low <= handles.low && bounds.high >= handles.high);
  assert.equal(bounds.high, 221);
});

test("handles never meet and never leave the range", () => {
  assert.deepEqual(separated({ low: 200, high: 100 }), { low: 200, high: 200 + MIN_GAP });
  assert.deepEqual(separated({ low: 400, high: 500 }), { low: 245, high: 255 });
  let handles = { low: 100, high: 150 };
  for (let i = 0; i < 40; i++) handles = shifted(handles, -1);
  assert.deepEqual(handles, { low: 205, high: 255 });
  for (let i = 0; i < 60; i++) handles = shifted(handles, 1);
  assert.deepEqual(handles, { low: 1, high: 51 });
  assert.deepEqual(handlesOf(intensityOf(handles, LEVELS), LEVELS), handles);
});
