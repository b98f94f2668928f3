/** The data of one coin, scope and timeframe: loaded once, then kept current by the stream, until it is stopped. */

import { ApiRefusal, type Api } from "./io/api.ts";
import { LiveStream } from "./io/stream.ts";
import type { AccuracyNotice, ClusterList, ColumnNotice, Grid, MagnetList, StreamStatus } from "./io/wire.ts";
import { MapRecord } from "./map_record.ts";
import { closedUntilMs, mergeHistory, type HeatHistory } from "./model/heat_history.ts";
import { MalformedHeatmap } from "./model/heatmap_wire.ts";
import { addTick, candleAt, joinCandles, type CandleValues, type Tick } from "./model/open_candle.ts";
import { backOffMs } from "./model/sse_parser.ts";
import { columnOpenMs, SEED_TIMEFRAME, TIMEFRAME_MS, type Timeframe } from "./model/timeframes.ts";

export type Part = "history" | "grid" | "clusters" | "magnets" | "record" | "connection";

/** Several columns that close together are fetched by one request. */
const COLUMN_DELAY_MS = 250;
/** A column that should have closed is asked for at most this often. */
const ASK_AGAIN_MS = 10_000;

export class MarketSession {
  readonly coin: string;
  readonly scope: string;
  readonly timeframe: Timeframe;
  history: HeatHistory | null = null;
  grid: Grid | null = null;
  openCandle: CandleValues | null = null;
  openTimeMs = 0;
  clusters: ClusterList | null = null;
  magnets: MagnetList | null = null;
  readonly record: MapRecord;
  reachable = true;
  loading = true;
  streamOpen = false;
  streamState: StreamStatus["state"] | null = null;
  gridArrivedMs = performance.now();

  private readonly api: Api;
  private readonly changed: (part: Part) => void;
  private readonly stopped = new AbortController();
  private stream: LiveStream | null = null;
  private columnTimer: ReturnType<typeof setTimeout> | null = null;
  private askedForColumnMs = -Infinity;
  private fetchingColumns = false;
  private everOpened = false;
  private reloading = false;
  private lostInARow = 0;

  constructor(api: Api, coin: string, scope: string, timeframe: Timeframe, changed: (part: Part) => void) {
    this.api = api;
    this.coin = coin;
    this.scope = scope;
    this.timeframe = timeframe;
    this.changed = changed;
    this.record = new MapRecord(api, coin, this.stopped.signal, () => this.changed("record"));
  }

  /** Begin with what another session of the same coin and scope has, then load and follow. */
  start(previous: MarketSession | null): void {
    if (previous?.coin === this.coin) this.record.adopt(previous.record);
    this.record.load();
    if (previous !== null && previous.coin === this.coin && previous.scope === this.scope) {
      this.grid = previous.grid;
      this.clusters = previous.clusters;
      this.magnets = previous.magnets;
      this.gridArrivedMs = previous.gridArrivedMs;
    }
    void this.loadUntilDone();
  }

  stop(): void {
    this.stopped.abort();
    this.stream?.stop();
    if (this.columnTimer !== null) clearTimeout(this.columnTimer);
  }

  private async loadUntilDone(): Promise<void> {
    for (let attempt = 0; !this.stopped.signal.aborted; attempt++) {
      try {
        await this.load();
        this.setReachable(true);
        break;
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        this.failed(error);
        await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt, Math.random())));
      }
    }
    if (this.stopped.signal.aborted) return;
    this.stream = new LiveStream(this.coin, this.scope, {
      opened: () => this.opened(),
      lost: () => this.lost(),
      event: (name, data) => this.event(name, data),
    });
  }

  private async load(): Promise<void> {
    const { signal } = this.stopped;
    const { coin, scope, timeframe, api } = this;
    const [grid, part, clusters, magnets] = await Promise.all([
      api.grid(coin, scope, signal),
      api.heatmap(coin, scope, timeframe, signal),
      api.clusters(coin, scope, signal),
      api.magnets(coin, scope, signal),
    ]);
    this.history = part === null ? null : mergeHistory(null, part);
    this.clusters = clusters;
    this.magnets = magnets;
    this.loading = false;
    this.changed("history");
    if (grid !== null) {
      await this.seedOpenCandle(columnOpenMs(grid.event_time_ms, timeframe));
      this.takeGrid(grid);
    }
    this.changed("clusters");
    this.changed("magnets");
    this.changed("connection");
  }

  /** Rebuild the open candle from finer closed columns. Without them it starts at the last close. */
  private async seedOpenCandle(openTimeMs: number): Promise<void> {
    const seed = SEED_TIMEFRAME[this.timeframe];
    // A candle that is there stays until the new one is: without it the chart would step back by a column.
    if (this.openTimeMs !== openTimeMs) this.openCandle = null;
    this.openTimeMs = openTimeMs;
    if (seed === null) return;
    const part = await this.api.heatmap(this.coin, this.scope, seed, this.stopped.signal, openTimeMs);
    if (part === null) return;
    const finer = part.openTimeMs.map((time, column) => (time >= openTimeMs ? candleAt(part.candles, column) : null));
    this.openCandle = joinCandles(finer.filter((candle) => candle !== null));
  }

  private opened(): void {
    this.streamOpen = true;
    this.lostInARow = 0;
    this.setReachable(true);
    if (this.everOpened) this.fetchColumnsSoon();
    this.everOpened = true;
  }

  private lost(): void {
    this.streamOpen = false;
    this.streamState = null;
    this.lostInARow++;
    // A connection that is cut once is not yet news: the first try to reconnect comes half a second later.
    this.setReachable(this.lostInARow < 2);
  }

  private setReachable(reachable: boolean): void {
    this.reachable = reachable;
    this.changed("connection");
  }

  private failed(error: unknown): void {
    this.loading = false;
    // A refusal or a malformed answer is an answer: the api is there.
    if (error instanceof MalformedHeatmap) console.error("liqheat:", error.message);
    this.setReachable(error instanceof MalformedHeatmap || (error instanceof ApiRefusal && error.status < 500));
  }

  private event(name: string, data: string): void {
    const value: unknown = JSON.parse(data);
    if (name === "grid") this.takeGrid(value as Grid);
    else if (name === "column") this.columnClosed(value as ColumnNotice);
    else if (name === "clusters" && this.isMine(value as ClusterList)) {
      this.clusters = value as ClusterList;
      this.changed("clusters");
    } else if (name === "magnets" && this.isMine(value as MagnetList)) {
      this.magnets = value as MagnetList;
      this.changed("magnets");
    } else if (name === "accuracy") this.record.told((value as AccuracyNotice).horizon_ms);
    else if (name === "resync") {
      this.record.load();
      void this.reload();
    }
    else if (name === "status") {
      this.streamState = (value as StreamStatus).state;
      this.changed("connection");
    }
  }

  /** Something was missed that the stream cannot tell any more: fetch everything again. */
  private async reload(): Promise<void> {
    if (this.reloading) return;
    this.reloading = true;
    try {
      await this.load();
    } catch (error) {
      if (!this.stopped.signal.aborted) this.failed(error);
    } finally {
      this.reloading = false;
    }
  }

  private isMine(value: { readonly coin?: string; readonly scope?: string }): boolean {
    return (value.coin ?? this.coin) === this.coin && (value.scope ?? this.scope) === this.scope;
  }

  private takeGrid(grid: Grid): void {
    if (!this.isMine(grid)) return;
    const known = this.grid;
    this.gridArrivedMs = performance.now();
    if (known !== null && this.openTimeMs > 0 && grid.event_time_ms < known.event_time_ms) return;
    const openTimeMs = columnOpenMs(grid.event_time_ms, this.timeframe);
    if (openTimeMs !== this.openTimeMs) {
      this.openTimeMs = openTimeMs;
      this.openCandle = null;
    }
    if (known === null || this.openCandle === null || grid.event_time_ms > known.event_time_ms)
      this.openCandle = addTick(this.openCandle, tick(grid));
    this.grid = grid;
    this.changed("grid");
    // The notice of a closed column may have been lost with a connection.
    const expected = this.history === null ? null : closedUntilMs(this.history);
    if (expected !== null && openTimeMs > expected && performance.now() - this.askedForColumnMs > ASK_AGAIN_MS)
      this.fetchColumnsSoon();
  }

  private columnClosed(notice: ColumnNotice): void {
    if (notice.timeframe === this.timeframe && this.isMine(notice)) this.fetchColumnsSoon();
  }

  private fetchColumnsSoon(): void {
    this.askedForColumnMs = performance.now();
    this.columnTimer ??= setTimeout(() => void this.fetchMissingColumns(), COLUMN_DELAY_MS);
  }

  private async fetchMissingColumns(): Promise<void> {
    this.columnTimer = null;
    if (this.fetchingColumns) return this.fetchColumnsSoon();
    this.fetchingColumns = true;
    try {
      const from = this.history === null ? undefined : closedUntilMs(this.history);
      const part = await this.api.heatmap(this.coin, this.scope, this.timeframe, this.stopped.signal, from);
      if (part === null || part.columns === 0 || this.stopped.signal.aborted) return;
      this.history = mergeHistory(this.history, part);
      this.changed("history");
    } catch (error) {
      if (!this.stopped.signal.aborted) console.warn("liqheat: closed columns could not be fetched, trying again:", error);
    } finally {
      this.fetchingColumns = false;
    }
  }
}

function tick(grid: Grid): Tick {
  return {
    eventTimeMs: grid.event_time_ms,
    markPrice: grid.mark_price,
    candle: grid.candle,
    cvdUsd: grid.cumulative_volume_delta_usd,
    openInterestUsd: grid.open_interest_usd,
    liquidatedLongUsd: grid.liquidated_long_usd,
    liquidatedShortUsd: grid.liquidated_short_usd,
  };
}

/** Time at which the open column of a session closes. */
export function closesAtMs(session: MarketSession): number {
  return session.openTimeMs + TIMEFRAME_MS[session.timeframe];
}
