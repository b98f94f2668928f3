/** Sums over the current map: what stands between the mark and a price, and within a distance. */

import type { Side } from "./colours.ts";

export interface StandingMap {
  readonly firstBin: number;
  readonly binWidth: number;
  readonly longUsd: ArrayLike<number>;
  readonly shortUsd: ArrayLike<number>;
  readonly markPrice: number;
}

export function binOf(price: number, binWidth: number): number {
  return Math.floor(Math.log(price) / binWidth);
}

/** Lower edge of a bin. */
export function priceOfBin(bin: number, binWidth: number): number {
  return Math.exp(bin * binWidth);
}

/** Estimated USD that would be liquidated if the mark went straight to a price: longs below it, shorts above it. */
export function usdOnTheWay(map: StandingMap, price: number): { side: Side; usd: number } {
  const target = binOf(price, map.binWidth) - map.firstBin;
  const here = binOf(map.markPrice, map.binWidth) - map.firstBin;
  const side: Side = price < map.markPrice ? "long" : "short";
  const values = side === "long" ? map.longUsd : map.shortUsd;
  const from = Math.max(0, Math.min(target, here));
  const to = Math.min(values.length - 1, Math.max(target, here));
  let usd = 0;
  for (let bin = from; bin <= to; bin++) usd += values[bin]!;
  return { side, usd };
}

/** USD of one bin: the larger side, as the map colours it. */
export function usdAt(map: StandingMap, price: number): { side: Side; usd: number } {
  const bin = binOf(price, map.binWidth) - map.firstBin;
  const long = map.longUsd[bin] ?? 0;
  const short = map.shortUsd[bin] ?? 0;
  return long >= short ? { side: "long", usd: long } : { side: "short", usd: short };
}

/**
 * Distance from the mark, in natural log of price, that holds a share of the mass of either side; the larger of both,
 * no more than `limit`. It frames the first view.
 */
export function reach(map: StandingMap, share: number, limit: number): number {
  const here = binOf(map.markPrice, map.binWidth) - map.firstBin;
  const most = Math.ceil(limit / map.binWidth);
  const oneSide = (values: ArrayLike<number>, direction: number): number => {
    let total = 0;
    for (let step = 0; step <= most; step++) total += values[here + step * direction] ?? 0;
    let sum = 0;
    for (let step = 0; step <= most; step++) {
      sum += values[here + step * direction] ?? 0;
      if (total > 0 && sum >= total * share) return step * map.binWidth;
    }
    return 0;
  };
  return Math.min(limit, Math.max(oneSide(map.longUsd, -1), oneSide(map.shortUsd, 1)));
}
