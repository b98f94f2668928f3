/** The five-step guide: at the first visit, and on the ? key. */

import { byId, make } from "./dom.ts";

const SEEN = "liqheat-guide-seen";

const STEPS: readonly (readonly [string, string])[] = [
  [
    "Bright zones are crowded prices",
    "Each cell says how many dollars of leveraged positions would be force-closed if price came there. The brighter, the more. All of it is an estimate, except what a chain shows openly.",
  ],
  [
    "Shorts above, longs below",
    "Warm colours above price are short positions that a rise would close. Cool colours below are longs that a fall would close. The bars at the right are the map of this second.",
  ],
  [
    "Price can drift towards pools",
    "Large pools can act like magnets. The panel shows the estimated chance that one is touched beside its base rate, which is how often price travels that far anyway. Compare the two before you read anything into it.",
  ],
  [
    "Look at what happened here before",
    "A closed column never changes, so follow a zone back in time: when it formed, whether price came, and what price did then. A zone that was swept goes dark.",
  ],
  [
    "Higher timeframes say more",
    "Clusters on 4h and longer last. Those on 1h and shorter come and go, which is why they are called noise. Start at 4h, set the intensity so that only a few zones stay bright, then look closer.",
  ],
];

export class Guide {
  private readonly dialog = byId<HTMLDialogElement>("guide");
  private step = 0;

  constructor() {
    byId("guide-open").addEventListener("click", () => this.open());
    this.dialog.addEventListener("close", remember);
  }

  get isOpen(): boolean {
    return this.dialog.open;
  }

  openAtFirstVisit(): void {
    if (!seen()) this.open();
  }

  open(): void {
    if (this.dialog.open) return;
    this.step = 0;
    this.dialog.showModal();
    this.render();
  }

  private render(): void {
    const [title, text] = STEPS[this.step]!;
    const last = this.step === STEPS.length - 1;
    const heading = make("h2", "", [title]);
    heading.id = "guide-title";
    const dots = make("div", "dots", STEPS.map((_, index) => make("i", index === this.step ? "on" : "")));
    dots.setAttribute("aria-hidden", "true");
    const back = action("Back", "", () => this.go(-1));
    back.disabled = this.step === 0;
    const next = action(last ? "Show the map" : "Next", "primary", () => (last ? this.dialog.close() : this.go(1)));
    this.dialog.replaceChildren(
      make("p", "count", [`${this.step + 1} of ${STEPS.length}`]),
      heading,
      make("p", "", [text]),
      make("div", "actions", [action("Close", "quiet", () => this.dialog.close()), dots, back, next]),
      make("p", "keys", ["Keys: ← → coins, 1–7 timeframes, + − intensity, ? this guide"]),
    );
    next.focus();
  }

  private go(by: number): void {
    this.step = Math.max(0, Math.min(STEPS.length - 1, this.step + by));
    this.render();
  }
}

function action(text: string, classes: string, run: () => void): HTMLButtonElement {
  const button = make("button", classes, [text]);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

/** Storage may be forbidden; then the guide shows again, which is better than a page that fails. */
function seen(): boolean {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}

function remember(): void {
  try {
    localStorage.setItem(SEEN, "1");
  } catch {
    // Nothing to remember with.
  }
}
