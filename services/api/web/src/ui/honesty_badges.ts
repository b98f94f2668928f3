/** The state badges in the header and the sentence under it. */

import type { Notice, Verdict } from "../model/honesty.ts";
import { byId, make, setText } from "./dom.ts";

export class HonestyBadges {
  private readonly badges = byId("badges");
  private readonly notice = byId("notice");
  private shown = "";
  private readonly detail = make("span", "badge-detail");

  show(verdict: Verdict): void {
    setText(this.detail, verdict.detail);
    const [main] = verdict.notices;
    const sentences = verdict.notices.map((notice) => notice.sentence).join(" ");
    const kinds = verdict.notices.map((notice) => notice.kind).join();
    if (kinds !== this.shown) {
      this.shown = kinds;
      this.badges.replaceChildren(...verdict.notices.map(badge), this.detail);
      this.notice.className = `notice ${main.kind}`;
      document.body.dataset["state"] = main.kind;
    }
    this.badges.title = sentences;
    this.notice.hidden = main.kind === "live";
    setText(this.notice, sentences);
  }
}

function badge(notice: Notice): HTMLElement {
  return make("span", `badge ${notice.kind}`, [notice.label]);
}
