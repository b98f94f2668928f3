/** What the api sends: the binding shapes, field by field. */

import type { Side } from "../model/colours.ts";
import type { Phase, Provenance } from "../model/honesty.ts";
import type { Timeframe } from "../model/timeframes.ts";

export interface CoinEntry {
  readonly coin: string;
  readonly mark_price: number;
  readonly phase: Phase;
  readonly event_time_ms: number;
  readonly valid_until_ms: number;
  readonly scopes: readonly string[];
  readonly open_interest_usd: number | null;
}

export interface CoinList {
  readonly coins: readonly CoinEntry[];
  readonly server_time_ms: number;
}

export interface GridCandle {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume_usd: number;
  readonly taker_buy_usd: number;
}

export interface Grid {
  readonly coin: string;
  readonly scope: string;
  readonly event_time_ms: number;
  readonly valid_until_ms: number;
  readonly phase: Phase;
  readonly cadence_ms: number;
  readonly mark_price: number;
  readonly bin_width: number;
  readonly first_bin: number;
  readonly long_usd: readonly number[];
  readonly short_usd: readonly number[];
  readonly consumed_long_usd: number;
  readonly consumed_short_usd: number;
  readonly open_interest_usd: number;
  readonly candle: GridCandle | null;
  readonly cumulative_volume_delta_usd: number;
  readonly sigma_1h: number | null;
  readonly liquidated_long_usd: number;
  readonly liquidated_short_usd: number;
  readonly provenance: Provenance;
}

export interface Touch {
  readonly horizon_ms: number;
  readonly probability: number;
  readonly base_rate: number | null;
  readonly base_rate_samples: number;
}

export interface Cluster {
  readonly cluster_id: string;
  readonly side: Side;
  readonly lower_price: number;
  readonly upper_price: number;
  readonly peak_price: number;
  readonly mass_usd: number;
  readonly open_interest_share: number;
  readonly formed_time_ms: number;
  readonly timeframe: Timeframe;
  readonly reliable: boolean;
  readonly distance_fraction: number;
  readonly distance_atr: number | null;
  readonly distance_sigma: number | null;
  readonly consumed_fraction: number;
  readonly touched_time_ms: number | null;
  readonly touches: readonly Touch[];
}

export interface ClusterList {
  readonly coin: string;
  readonly scope: string;
  readonly event_time_ms: number;
  readonly phase: Phase;
  readonly clusters: readonly Cluster[];
}

export interface Magnet {
  readonly cluster_id: string;
  readonly side: Side;
  readonly near_price: number;
  readonly peak_price: number;
  readonly mass_usd: number;
  readonly distance_fraction: number;
  readonly score: number;
  readonly depth_to_near_edge_usd: number | null;
  readonly touches: readonly Touch[];
}

/** Without a set yet only `magnets: []` is sent. */
export interface MagnetList {
  readonly coin?: string;
  readonly scope?: string;
  readonly event_time_ms?: number;
  readonly magnets: readonly Magnet[];
  readonly bias?: number;
}

export interface ColumnNotice {
  readonly coin: string;
  readonly scope: string;
  readonly timeframe: Timeframe;
  readonly open_time_ms: number;
}

/** A forecast has run its course; the answer of `/v1/accuracy` contains it. */
export interface AccuracyNotice {
  readonly coin: string;
  readonly horizon_ms: number;
}

export interface StreamStatus {
  readonly state: "ok" | "stale";
  readonly age_ms: number | null;
}
