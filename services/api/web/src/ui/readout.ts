/** What lies under the pointer, in words and numbers. */

import { make } from "./dom.ts";

export interface ReadoutLine {
  readonly text: string;
  readonly quiet?: string;
  readonly tone?: "long" | "short" | "warning" | "faint";
}

const OFFSET = 16;

export class Readout {
  private readonly element: HTMLElement;

  constructor(element: HTMLElement) {
    this.element = element;
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Show lines beside a point, on the side where there is room. */
  show(x: number, y: number, width: number, height: number, lines: readonly ReadoutLine[]): void {
    this.element.replaceChildren(...lines.map(line));
    this.element.hidden = false;
    const own = this.element.getBoundingClientRect();
    const left = x + OFFSET + own.width > width ? x - OFFSET - own.width : x + OFFSET;
    const top = y + OFFSET + own.height > height ? y - OFFSET - own.height : y + OFFSET;
    this.element.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.max(4, Math.round(top))}px)`;
  }
}

function line(item: ReadoutLine): HTMLElement {
  const row = make("div", item.tone ?? "", [make("b", "", [item.text])]);
  if (item.quiet !== undefined) row.append(make("span", "", [item.quiet]));
  return row;
}
