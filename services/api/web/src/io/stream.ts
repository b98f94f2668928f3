/** The live stream of one coin and scope: reconnects with back-off, resumes where it was, notices silence. */

import { backOffMs, EventParser } from "../model/sse_parser.ts";
import { query } from "./api.ts";

/** The api says something every two seconds; so much silence means a dead connection. */
const SILENCE_MS = 10_000;

export interface StreamListener {
  event(name: string, data: string): void;
  opened(): void;
  lost(): void;
}

export class LiveStream {
  private readonly listener: StreamListener;
  private readonly path: string;
  private readonly stopped = new AbortController();
  private lastEventId = "";
  private attempt = 0;

  constructor(coin: string, scope: string, listener: StreamListener) {
    this.path = `v1/stream?${query({ coin, scope })}`;
    this.listener = listener;
    void this.run();
  }

  stop(): void {
    this.stopped.abort();
  }

  private async run(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      try {
        await this.readOnce();
      } catch {
        // Refused, cut or silent: all the same to the reader, who tries again.
      }
      if (this.stopped.signal.aborted) return;
      this.listener.lost();
      await pause(backOffMs(this.attempt++, Math.random()), this.stopped.signal);
    }
  }

  private async readOnce(): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (this.lastEventId !== "") headers["Last-Event-ID"] = this.lastEventId;
      const signal = AbortSignal.any([this.stopped.signal, silence.signal]);
      const response = await fetch(this.path, { headers, signal, cache: "no-store" });
      if (!response.ok || response.body === null) throw new Error(`the stream answered ${response.status}`);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser(this.lastEventId);
      this.listener.opened();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        for (const event of parser.push(value)) {
          this.attempt = 0;
          this.lastEventId = event.lastEventId;
          if (!this.stopped.signal.aborted) this.listener.event(event.event, event.data);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
