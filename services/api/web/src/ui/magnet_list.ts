/** Which clusters pull, and the balance of both sides. */

import type { MagnetList as Magnets } from "../io/wire.ts";
import { age, formatPrice, longUsd, NONE, percent, shortUsd, touchText } from "../model/format.ts";
import { mainTouch, touchTitle } from "./cluster_list.ts";
import { byId, make, setText } from "./dom.ts";

const SHOWN = 3;

export class MagnetList {
  private readonly root = byId("magnets");
  private readonly note = byId("magnets-note");

  show(magnets: Magnets | null): void {
    if (magnets === null || magnets.magnets.length === 0) {
      this.root.replaceChildren(make("p", "none", ["No magnet yet."]));
      return;
    }
    const horizon = mainTouch(magnets.magnets[0]!.touches)?.horizon_ms ?? null;
    const rows = magnets.magnets.slice(0, SHOWN).map((magnet) => {
      const touch = mainTouch(magnet.touches);
      const text = touch === null ? NONE : touchText(touch.probability, touch.base_rate);
      return make("div", `magnet ${magnet.side}`, [
        make("span", "arrow", [magnet.side === "short" ? "▲" : "▼"]),
        make("span", "price", [formatPrice(magnet.near_price)], `Near edge; peak ${formatPrice(magnet.peak_price)}`),
        make("span", "mass", [shortUsd(magnet.mass_usd)], `Estimated ${longUsd(magnet.mass_usd)}`),
        make("span", "distance", [percent(magnet.distance_fraction, true)]),
        make("span", "touch", [text], touchTitle(magnet.touches)),
      ]);
    });
    setText(this.note, `chance of touch${horizon === null ? "" : ` in ${age(horizon)}`} / base rate`);
    this.root.replaceChildren(bias(magnets.bias ?? 0), ...rows);
  }
}

function bias(value: number): HTMLElement {
  const text = `${value > 0 ? "▲ +" : value < 0 ? "▼ −" : ""}${Math.abs(value).toFixed(2)}`;
  const meter = document.createElement("meter");
  meter.min = -1;
  meter.max = 1;
  meter.value = value;
  meter.setAttribute("aria-label", `Bias ${value.toFixed(2)}, from -1 (down) to 1 (up)`);
  const needle = make("span", "needle");
  needle.style.left = `${50 + value * 50}%`;
  const scale = make("div", "bias-scale", [needle]);
  scale.setAttribute("aria-hidden", "true");
  return make("div", "bias", [make("span", "bias-word", ["Bias"]), scale, make("b", value >= 0 ? "short" : "long", [text]), meter],
    "(up - down) / (up + down) of the scores: which side has more within reach. An estimate, not a forecast.");
}
