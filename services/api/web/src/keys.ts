/** Keys for the whole page. Whoever types into a control keeps his keys. */

import { TIMEFRAMES, type Timeframe } from "./model/timeframes.ts";

export interface KeyActions {
  coin(step: 1 | -1): void;
  timeframe(timeframe: Timeframe): void;
  /** Positive: brighter. */
  intensity(steps: number): void;
  guide(): void;
  /** While something lies over the page. */
  blocked(): boolean;
}

export function listenToKeys(actions: KeyActions): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || actions.blocked()) return;
    const target = event.target instanceof HTMLElement ? event.target : null;
    const usesArrows = target !== null && target.matches("select, input, [role=tab]");
    const index = "1234567".indexOf(event.key);
    if (event.key === "ArrowRight" && !usesArrows) actions.coin(1);
    else if (event.key === "ArrowLeft" && !usesArrows) actions.coin(-1);
    else if (event.key.length === 1 && index >= 0) actions.timeframe(TIMEFRAMES[index]!);
    else if (event.key === "+" || event.key === "=") actions.intensity(1);
    else if (event.key === "-" || event.key === "−") actions.intensity(-1);
    else if (event.key === "?") actions.guide();
    else return;
    event.preventDefault();
  });
}
