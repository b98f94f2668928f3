/** Requests to the api. Every one has a timeout; the caller may cut it short. */

import { decodeHeatmap, type HeatmapPart } from "../model/heatmap_wire.ts";
import type { Accuracy, Horizon } from "../model/record.ts";
import type { Timeframe } from "../model/timeframes.ts";
import type { ServerClock } from "./server_clock.ts";
import type { ClusterList, CoinList, Grid, MagnetList } from "./wire.ts";

const TIMEOUT_MS = 10_000;

/** The api answered with something other than success. 404 means: nothing of that yet. */
export class ApiRefusal extends Error {
  readonly status: number;

  constructor(path: string, status: number) {
    super(`${path} answered ${status}`);
    this.status = status;
  }
}

export class Api {
  private readonly clock: ServerClock;

  constructor(clock: ServerClock) {
    this.clock = clock;
  }

  async coins(signal?: AbortSignal): Promise<CoinList> {
    const sentMs = Date.now();
    const list = (await (await request("v1/coins", signal)).json()) as CoinList;
    this.clock.learn(list.server_time_ms, sentMs, Date.now());
    return list;
  }

  async grid(coin: string, scope: string, signal: AbortSignal): Promise<Grid | null> {
    return orNull(json<Grid>(`v1/grids/${coin}?${query({ scope })}`, signal));
  }

  async clusters(coin: string, scope: string, signal: AbortSignal): Promise<ClusterList | null> {
    return orNull(json<ClusterList>(`v1/clusters/${coin}?${query({ scope })}`, signal));
  }

  async magnets(coin: string, scope: string, signal: AbortSignal): Promise<MagnetList | null> {
    return orNull(json<MagnetList>(`v1/magnets/${coin}?${query({ scope })}`, signal));
  }

  /** How good the maps of a coin were: of all venues together, whatever scope is looked at. */
  async accuracy(coin: string, horizon: Horizon, signal: AbortSignal): Promise<Accuracy | null> {
    return orNull(json<Accuracy>(`v1/accuracy/${coin}?${query({ horizon })}`, signal));
  }

  /** Closed columns that opened at `fromMs` or later; without it the last ones. */
  async heatmap(
    coin: string,
    scope: string,
    timeframe: Timeframe,
    signal: AbortSignal,
    fromMs?: number,
  ): Promise<HeatmapPart | null> {
    const from = fromMs === undefined ? {} : { from: String(fromMs) };
    const path = `v1/heatmap/${coin}?${query({ scope, timeframe, format: "binary", ...from })}`;
    const response = await orNull(request(path, signal, { Accept: "application/octet-stream" }));
    return response === null ? null : decodeHeatmap(await response.arrayBuffer());
  }
}

export function query(values: Readonly<Record<string, string>>): string {
  return new URLSearchParams(values).toString();
}

async function request(path: string, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(path, {
    headers,
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
  });
  if (!response.ok) throw new ApiRefusal(path, response.status);
  return response;
}

async function json<T>(path: string, signal: AbortSignal): Promise<T> {
  return (await (await request(path, signal)).json()) as T;
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiRefusal && error.status === 404) return null;
    throw error;
  }
}
