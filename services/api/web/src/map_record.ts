/** The record of a coin in all horizons: loaded beside the map, never in its way, and fetched anew when it grows. */

import { ApiRefusal, type Api } from "./io/api.ts";
import { HORIZONS, horizonOfMs, type Accuracy, type Horizon } from "./model/record.ts";
import { backOffMs } from "./model/sse_parser.ts";

/** Everyone who watches a coin hears of a record at the same moment; they do not all ask at once. */
const SPREAD_MS = 2_000;

export class MapRecord {
  private readonly api: Api;
  private readonly coin: string;
  private readonly signal: AbortSignal;
  private readonly changed: () => void;
  private readonly answers = new Map<Horizon, Accuracy>();

  constructor(api: Api, coin: string, signal: AbortSignal, changed: () => void) {
    this.api = api;
    this.coin = coin;
    this.signal = signal;
    this.changed = changed;
  }

  /** The answer of a horizon; null: not there yet. */
  answer(horizon: Horizon): Accuracy | null {
    return this.answers.get(horizon) ?? null;
  }

  all(): readonly Accuracy[] {
    return [...this.answers.values()];
  }

  /** Show what another session of the same coin has until the answers come. */
  adopt(other: MapRecord): void {
    for (const [horizon, answer] of other.answers) this.answers.set(horizon, answer);
  }

  load(): void {
    for (const horizon of HORIZONS) void this.fetch(horizon);
  }

  /** A forecast of this horizon has run its course. */
  told(horizonMs: number): void {
    const horizon = horizonOfMs(horizonMs);
    if (horizon !== null) setTimeout(() => void this.fetch(horizon), Math.random() * SPREAD_MS);
  }

  private async fetch(horizon: Horizon): Promise<void> {
    for (let attempt = 0; !this.signal.aborted; attempt++) {
      try {
        const answer = await this.api.accuracy(this.coin, horizon, this.signal);
        if (answer === null || this.signal.aborted) return;
        this.answers.set(horizon, answer);
        this.changed();
        return;
      } catch (error) {
        if (error instanceof ApiRefusal && error.status < 500) return;
        await new Promise((resolve) => setTimeout(resolve, backOffMs(attempt, Math.random())));
      }
    }
  }
}
