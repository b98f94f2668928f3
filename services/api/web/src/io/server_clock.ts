/** The api's clock, as far as this machine can tell: ages must not depend on how well its own clock is set. */

export class ServerClock {
  private offsetMs = 0;
  private bestRoundTripMs = Infinity;

  /** Learn from an answer; the quickest round trip tells best. */
  learn(serverTimeMs: number, sentMs: number, receivedMs: number): void {
    const roundTripMs = receivedMs - sentMs;
    if (roundTripMs > this.bestRoundTripMs * 2) return;
    this.bestRoundTripMs = Math.min(roundTripMs, this.bestRoundTripMs);
    this.offsetMs = serverTimeMs - (sentMs + receivedMs) / 2;
  }

  nowMs(): number {
    return Date.now() + this.offsetMs;
  }
}
