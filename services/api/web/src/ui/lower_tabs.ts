/** Tabs of the lower pane. */

import { LOWER_TABS, TAB_LABELS, type LowerTab } from "../chart/lower_pane.ts";
import { byId, make, setText } from "./dom.ts";

const TITLES: Readonly<Record<LowerTab, string>> = {
  liquidations: "Liquidations that venues reported, shorts up and longs down. A lower bound.",
  cvd: "Cumulative volume delta: taker buys minus taker sells, in USD",
  "open-interest": "Open interest in USD",
  volume: "Traded USD",
};

export class LowerTabs {
  private readonly buttons: HTMLButtonElement[];
  private readonly chosen: (tab: LowerTab) => void;
  private readonly note = byId("tab-note");
  private selected: LowerTab = LOWER_TABS[0];
  private anyLiquidation = true;

  constructor(chosen: (tab: LowerTab) => void) {
    this.chosen = chosen;
    this.buttons = LOWER_TABS.map((tab) => {
      const button = make("button", "", [TAB_LABELS[tab]], TITLES[tab]);
      button.type = "button";
      button.setAttribute("role", "tab");
      button.addEventListener("click", () => this.select(tab));
      return button;
    });
    const list = byId("tabs");
    list.append(...this.buttons);
    list.addEventListener("keydown", (event) => this.move(event));
    this.mark(LOWER_TABS[0]);
  }

  private select(tab: LowerTab): void {
    this.mark(tab);
    this.chosen(tab);
  }

  /** Whether any liquidation was reported in the columns: an empty pane says why it is. */
  showLiquidations(any: boolean): void {
    this.anyLiquidation = any;
    this.showNote();
  }

  private showNote(): void {
    setText(this.note, this.selected === "liquidations" && !this.anyLiquidation ? "none reported in these columns" : "");
  }

  private mark(selected: LowerTab): void {
    this.selected = selected;
    this.showNote();
    this.buttons.forEach((button, index) => {
      const on = LOWER_TABS[index] === selected;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    });
  }

  private move(event: KeyboardEvent): void {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const at = this.buttons.indexOf(event.target as HTMLButtonElement);
    if (step === 0 || at < 0) return;
    const next = (at + step + LOWER_TABS.length) % LOWER_TABS.length;
    this.select(LOWER_TABS[next]!);
    this.buttons[next]!.focus();
    event.preventDefault();
  }
}
