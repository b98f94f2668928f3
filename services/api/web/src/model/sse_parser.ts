/** Server-sent events out of a stream of text. `fetch` is used in place of EventSource because that one gives up on a
 * 503 for good and cannot be told the last event id. */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  /** The id that a reconnect should name; empty: none yet. */
  readonly lastEventId: string;
}

const MAX_PENDING_CHARS = 8_000_000;

export class EventParser {
  private pending = "";
  private event = "";
  private data: string[] = [];
  private id: string;

  constructor(lastEventId: string) {
    this.id = lastEventId;
  }

  /** Events completed by a piece of the stream. Raises RangeError when a line never ends. */
  push(text: string): ServerEvent[] {
    this.pending += text;
    if (this.pending.length > MAX_PENDING_CHARS) throw new RangeError("an event of the stream is too long");
    const events: ServerEvent[] = [];
    let start = 0;
    for (;;) {
      const end = lineEnd(this.pending, start);
      if (end === null) break;
      const finished = this.line(this.pending.slice(start, end.at));
      if (finished !== null) events.push(finished);
      start = end.next;
    }
    this.pending = this.pending.slice(start);
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") return this.finish();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return null;
  }

  private finish(): ServerEvent | null {
    const { event, data } = this;
    this.event = "";
    this.data = [];
    return data.length === 0 ? null : { event: event || "message", data: data.join("\n"), lastEventId: this.id };
  }
}

function lineEnd(text: string, from: number): { at: number; next: number } | null {
  for (let i = from; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (character === 10) return { at: i, next: i + 1 };
    if (character === 13) {
      if (i + 1 === text.length) return null; // the line feed of a CRLF may be in the next piece
      return { at: i, next: text.charCodeAt(i + 1) === 10 ? i + 2 : i + 1 };
    }
  }
  return null;
}

/** Pause before the n-th try in a row (0 is the first), with jitter so that many pages don't return at once. */
export function backOffMs(attempt: number, random: number): number {
  return Math.min(15_000, 500 * 2 ** Math.min(attempt, 10)) * (0.75 + random / 2);
}
