/** Coin, scope and timeframe in the header. */

import { isNoise, TIMEFRAMES, type Timeframe } from "../model/timeframes.ts";
import { byId, make } from "./dom.ts";

export class Choices {
  private readonly coin = byId<HTMLSelectElement>("coin");
  private readonly scope = byId<HTMLSelectElement>("scope");
  private readonly buttons = new Map<Timeframe, HTMLButtonElement>();

  constructor(chosen: {
    coin: (coin: string) => void;
    scope: (scope: string) => void;
    timeframe: (timeframe: Timeframe) => void;
  }) {
    this.coin.addEventListener("change", () => chosen.coin(this.coin.value));
    this.scope.addEventListener("change", () => chosen.scope(this.scope.value));
    const group = byId("timeframes");
    TIMEFRAMES.forEach((timeframe, index) => {
      if (timeframe === "1h") group.append(make("span", "divider"));
      const what = isNoise(timeframe) ? "short timeframe: clusters come and go, mostly noise" : "reliable timeframe";
      const button = make("button", isNoise(timeframe) ? "noise" : "", [timeframe], `${timeframe}, ${what} (key ${index + 1})`);
      button.type = "button";
      button.addEventListener("click", () => chosen.timeframe(timeframe));
      this.buttons.set(timeframe, button);
      group.append(button);
    });
    group.append(make("span", "noise-word", ["noise"], "Timeframes below four hours: clusters come and go"));
  }

  showCoins(coins: readonly string[], selected: string | null): void {
    fill(this.coin, coins, selected);
  }

  showScopes(scopes: readonly string[], selected: string): void {
    fill(this.scope, scopes, selected);
  }

  showTimeframe(selected: Timeframe): void {
    for (const [timeframe, button] of this.buttons) button.setAttribute("aria-pressed", String(timeframe === selected));
  }
}

function fill(select: HTMLSelectElement, values: readonly string[], selected: string | null): void {
  const wanted = selected !== null && !values.includes(selected) ? [...values, selected] : values;
  const shown = [...select.options].map((option) => option.value);
  if (shown.join() !== wanted.join())
    select.replaceChildren(
      ...wanted.map((value) => {
        const option = make("option", "", [value]);
        option.value = value;
        return option;
      }),
    );
  if (selected !== null) select.value = selected;
}
