import assert from "node:assert/strict";
import { test } from "node:test";

import { placeLabels } from "../src/model/labels.ts";
import { addTick, candleAt, joinCandles, type Tick } from "../src/model/open_candle.ts";
import { CANDLE_FIELDS, type CandleColumns } from "../src/model/heatmap_wire.ts";
import { backOffMs, EventParser } from "../src/model/sse_parser.ts";
import { binOf, priceOfBin, reach, usdAt, usdOnTheWay } from "../src/model/standing.ts";
import { columnOpenMs } from "../src/model/timeframes.ts";

const STREAM = ": hello\r\nevent: grid\r\nid: 7-0\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata: x\n\nevent: status\n\nid: 8-0\ndata:y\n\n";

test("events come out the same however the stream is cut", () => {
  const whole = new EventParser("").push(STREAM);
  assert.deepEqual(whole, [
    { event: "grid", data: '{"a":\n1}', lastEventId: "7-0" },
    { event: "message", data: "x", lastEventId: "7-0" },
    { event: "message", data: "y", lastEventId: "8-0" },
  ]);
  for (let size = 1; size < 9; size++) {
    const parser = new EventParser("");
    const pieces = [];
    for (let i = 0; i < STREAM.length; i += size) pieces.push(...parser.push(STREAM.slice(i, i + size)));
    assert.deepEqual(pieces, whole, `pieces of ${size}`);
  }
});

test("a resumed stream keeps the id it resumed from until it hears another", () => {
  assert.equal(new EventParser("5-0").push("data: a\n\n")[0]!.lastEventId, "5-0");
});

test("a line without end is refused, not kept", () => {
  const parser = new EventParser("");
  assert.throws(() => parser.push("x".repeat(8_000_001)), RangeError);
});

test("pauses grow, differ, and stay under twenty seconds", () => {
  assert.ok(backOffMs(0, 0.5) <= 500);
  assert.ok(backOffMs(3, 0.5) > backOffMs(2, 0.5));
  assert.notEqual(backOffMs(4, 0), backOffMs(4, 1));
  assert.ok(backOffMs(1_000, 1) < 20_000);
});

const BIN = binOf(100, 0.001);
const MAP = { firstBin: BIN - 3, binWidth: 0.001, longUsd: [5, 6, 7, 0, 0, 0, 0], shortUsd: [0, 0, 0, 0, 10, 20, 30], markPrice: 100 };

test("the way to a price sums the side that is in the way, the bin of the price included", () => {
  assert.deepEqual(usdOnTheWay(MAP, priceOfBin(BIN + 2, 0.001) * 1.0001), { side: "short", usd: 30 });
  assert.deepEqual(usdOnTheWay(MAP, priceOfBin(BIN - 2, 0.001) * 1.0001), { side: "long", usd: 13 });
  assert.deepEqual(usdOnTheWay(MAP, 1_000), { side: "short", usd: 60 });
  assert.deepEqual(usdOnTheWay(MAP, 1), { side: "long", usd: 18 });
});

test("a place on the map has the dollars of its bin", () => {
  assert.deepEqual(usdAt(MAP, priceOfBin(BIN + 3, 0.001) * 1.0001), { side: "short", usd: 30 });
  assert.equal(usdAt(MAP, 500).usd, 0);
});

test("the frame reaches as far as most of the mass, within its limit", () => {
  assert.equal(reach(MAP, 0.9, 0.1), 0.003);
  assert.equal(reach(MAP, 0.9, 0.002), 0.002);
  assert.equal(reach({ ...MAP, longUsd: [], shortUsd: [] }, 0.9, 0.1), 0);
});

test("labels move out of each other's way, stay inside, and are left out when there is no room", () => {
  const box = { x: 0, y: 50, width: 60, height: 16 };
  const placed = placeLabels([box, box, { ...box, x: 200 }, ...Array.from({ length: 5 }, () => box)], 0, 100);
  assert.equal(placed[0]!.y, 50);
  assert.notEqual(placed[1]!.y, 50);
  assert.equal(placed[2]!.y, 50);
  const shown = placed.filter((label) => label !== null);
  for (const a of shown)
    for (const b of shown)
      assert.ok(a === b || a.x !== b.x || Math.abs(a.y - b.y) >= a.height, "overlap");
  assert.ok(shown.every((label) => label.y >= 0 && label.y + label.height <= 100));
  assert.ok(shown.length < placed.length);
});

const second = (price: number): Tick => ({
  eventTimeMs: 0,
  markPrice: price,
  candle: { open: price, high: price + 1, low: price - 1, close: price, volume_usd: 10 },
  cvdUsd: 5,
  openInterestUsd: 100,
  liquidatedLongUsd: 1,
  liquidatedShortUsd: 2,
});

test("seconds add up to the open candle", () => {
  const candle = [100, 104, 98].reduce<ReturnType<typeof addTick> | null>((open, price) => addTick(open, second(price)), null)!;
  assert.deepEqual([candle.open, candle.high, candle.low, candle.close], [100, 105, 97, 98]);
  assert.equal(candle.volumeUsd, 30);
  assert.equal(candle.liquidatedShortUsd, 6);
  assert.equal(candle.cvdUsd, 5);
});

test("without a trade the mark stands for the price", () => {
  assert.equal(addTick(null, { ...second(90), candle: null }).high, 90);
});

test("finer columns rebuild the candle, columns without a price left out", () => {
  const columns = Object.fromEntries(CANDLE_FIELDS.map((name) => [name, [1, null, 3]])) as CandleColumns;
  const parts = [0, 1, 2].map((column) => candleAt(columns, column)).filter((candle) => candle !== null);
  assert.equal(parts.length, 2);
  const joined = joinCandles(parts)!;
  assert.deepEqual([joined.open, joined.high, joined.low, joined.close, joined.volumeUsd], [1, 3, 1, 3, 4]);
  assert.equal(joinCandles([]), null);
});

test("a column opens on a multiple of its length", () => {
  assert.equal(columnOpenMs(14_400_000 * 3 + 17, "4h"), 14_400_000 * 3);
});
