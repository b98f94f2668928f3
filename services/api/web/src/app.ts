/** The whole page: which coin, scope and timeframe, and who is told when something changes. */

import { Api } from "./io/api.ts";
import { ServerClock } from "./io/server_clock.ts";
import type { CoinEntry } from "./io/wire.ts";
import { listenToKeys } from "./keys.ts";
import { MapScreen } from "./map_screen.ts";
import { MarketSession, type Part } from "./market_session.ts";
import { emptySentence } from "./model/empty_state.ts";
import { formatPrice, longPrice, longUsd } from "./model/format.ts";
import { judge } from "./model/honesty.ts";
import { AGGREGATED, alarmSentence } from "./model/record.ts";
import { formatState, parseState, type ViewState } from "./model/url_state.ts";
import { Choices } from "./ui/choices.ts";
import { ClusterList } from "./ui/cluster_list.ts";
import { byId, setText } from "./ui/dom.ts";
import { Foot } from "./ui/foot.ts";
import { Guide } from "./ui/guide.ts";
import { HonestyBadges } from "./ui/honesty_badges.ts";
import { MagnetList } from "./ui/magnet_list.ts";
import { RecordPanel } from "./ui/record_panel.ts";
import { StandingTable } from "./ui/standing_table.ts";

const COINS_EVERY_MS = 15_000;
const COINS_RETRY_MS = 2_000;
const AGES_EVERY_MS = 500;

export class App {
  private readonly clock = new ServerClock();
  private readonly api = new Api(this.clock);
  private readonly guide = new Guide();
  private readonly choices: Choices;
  private readonly screen: MapScreen;
  private readonly clusterList: ClusterList;
  private readonly magnetList = new MagnetList();
  private readonly standing = new StandingTable();
  private readonly recordPanel = new RecordPanel((horizon) => {
    this.go({ horizon });
    this.showAges();
  });
  private readonly badges = new HonestyBadges();
  private readonly foot = new Foot();
  private readonly mark = byId("mark");
  private state: ViewState = parseState(location.search);
  private coins: readonly CoinEntry[] | null = null;
  private reachable = true;
  private session: MarketSession | null = null;
  private readonly waiting = new Set<Part>();
  private frame = 0;

  constructor() {
    this.screen = new MapScreen({
      intensity: (intensity) => this.go({ intensity }, "replace"),
      timeframe: (timeframe) => this.go({ timeframe }),
    });
    this.clusterList = new ClusterList((id) => this.screen.highlight(id));
    this.choices = new Choices({
      coin: (coin) => this.go({ coin, intensity: null }),
      scope: (scope) => this.go({ scope, intensity: null }),
      timeframe: (timeframe) => this.go({ timeframe }),
    });
    listenToKeys({
      coin: (step) => this.nextCoin(step),
      timeframe: (timeframe) => this.go({ timeframe }),
      intensity: (steps) => this.screen.shiftIntensity(steps),
      guide: () => this.guide.open(),
      blocked: () => this.guide.isOpen,
    });
    window.addEventListener("popstate", () => {
      this.state = parseState(location.search);
      this.openSession();
    });
  }

  start(): void {
    this.showChoices();
    this.showAges();
    void this.followCoins();
    setInterval(() => this.showAges(), AGES_EVERY_MS);
    this.guide.openAtFirstVisit();
  }

  private async followCoins(): Promise<never> {
    for (;;) {
      try {
        this.takeCoins((await this.api.coins()).coins);
        this.reachable = true;
      } catch {
        this.reachable = false;
      }
      this.showAges();
      const calm = this.reachable && this.coins !== null && this.coins.length > 0;
      await new Promise((resolve) => setTimeout(resolve, calm ? COINS_EVERY_MS : COINS_RETRY_MS));
    }
  }

  private takeCoins(coins: readonly CoinEntry[]): void {
    this.coins = coins;
    if (this.state.coin === null && coins.length > 0) {
      const largest = [...coins].sort((a, b) => (b.open_interest_usd ?? 0) - (a.open_interest_usd ?? 0))[0]!;
      this.state = { ...this.state, coin: largest.coin };
      history.replaceState(null, "", formatState(this.state));
    }
    const known = coins.some((entry) => entry.coin === this.state.coin);
    if (known && this.session === null) this.openSession();
    this.showChoices();
  }

  private nextCoin(step: 1 | -1): void {
    const names = (this.coins ?? []).map((entry) => entry.coin);
    if (names.length === 0) return;
    const at = Math.max(0, names.indexOf(this.state.coin ?? ""));
    this.go({ coin: names[(at + step + names.length) % names.length]!, intensity: null });
  }

  private go(change: Partial<ViewState>, how: "push" | "replace" = "push"): void {
    const before = this.state;
    this.state = { ...before, ...change };
    if (this.state.coin !== before.coin) {
      const scopes = this.coins?.find((entry) => entry.coin === this.state.coin)?.scopes ?? [];
      if (!scopes.includes(this.state.scope)) this.state = { ...this.state, scope: AGGREGATED };
    }
    if (formatState(this.state) === formatState(before)) return;
    if (how === "push") history.pushState(null, "", formatState(this.state));
    else history.replaceState(null, "", formatState(this.state));
    const same = (["coin", "scope", "timeframe"] as const).every((field) => this.state[field] === before[field]);
    if (!same) this.openSession();
  }

  private openSession(): void {
    const { coin, scope, timeframe, intensity } = this.state;
    this.showChoices();
    if (coin === null) return;
    const previous = this.session;
    previous?.stop();
    const session = new MarketSession(this.api, coin, scope, timeframe, (part) => this.changed(session, part));
    this.session = session;
    this.screen.open(session, intensity);
    session.start(previous);
    if (session.clusters === null) {
      this.clusterList.showNothing("No cluster yet.");
      this.magnetList.show(null);
      this.standing.show(null, null);
      setText(this.mark, "");
    }
    this.showAges();
  }

  /** Collect changes and show them once a frame: a fast replay sends more than a screen can show. */
  private changed(session: MarketSession, part: Part): void {
    if (session !== this.session) return;
    this.waiting.add(part);
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.show());
  }

  private show(): void {
    const started = performance.now();
    this.frame = 0;
    const parts = new Set(this.waiting);
    this.waiting.clear();
    if (parts.has("history")) this.screen.showHistory();
    if (parts.has("grid")) this.showGrid();
    if (parts.has("clusters")) {
      this.showClusters();
      this.screen.showBands();
    }
    if (parts.has("magnets")) this.magnetList.show(this.session?.magnets ?? null);
    this.showAges();
    performance.clearMeasures("liqheat-update");
    performance.measure("liqheat-update", { start: started, end: performance.now(), detail: [...parts] });
  }

  private showGrid(): void {
    const grid = this.session?.grid ?? null;
    if (grid === null) return;
    this.screen.showGrid();
    this.standing.show(this.screen.standing, grid.provenance.reported_share);
    setText(this.mark, formatPrice(grid.mark_price));
    this.mark.title = `Mark price ${longPrice(grid.mark_price)}. Open interest ${longUsd(grid.open_interest_usd)}`;
    this.showClusters();
  }

  private showClusters(): void {
    const { session } = this;
    if (session === null || session.grid === null) return;
    if (session.clusters === null) this.clusterList.showNothing("No cluster yet.");
    else this.clusterList.show(session.clusters.clusters, session.grid.mark_price, session.grid.event_time_ms);
  }

  private showChoices(): void {
    const coins = this.coins ?? [];
    const scopes = coins.find((entry) => entry.coin === this.state.coin)?.scopes ?? [AGGREGATED];
    this.choices.showCoins(coins.map((entry) => entry.coin), this.state.coin);
    this.choices.showScopes(scopes, this.state.scope);
    this.choices.showTimeframe(this.state.timeframe);
  }

  private showAges(): void {
    const { session } = this;
    const grid = session?.grid ?? null;
    const serverNowMs = this.clock.nowMs();
    const apiReachable = this.reachable && (session?.reachable ?? true);
    const verdict = judge({
      apiReachable,
      streamOpen: session?.streamOpen ?? false,
      streamState: session?.streamState ?? null,
      grid: grid && {
        phase: grid.phase,
        eventTimeMs: grid.event_time_ms,
        validUntilMs: grid.valid_until_ms,
        cadenceMs: grid.cadence_ms,
        provenance: grid.provenance,
      },
      alarm: alarmSentence(session?.record.all() ?? []),
      serverNowMs,
      silentMs: session === null ? 0 : performance.now() - session.gridArrivedMs,
    });
    this.badges.show(verdict);
    const { horizon, scope } = this.state;
    this.recordPanel.show(session?.record.answer(horizon) ?? null, horizon, scope, grid?.phase ?? null, serverNowMs);
    const ageMs = grid !== null && (grid.phase === "live" || grid.phase === "backfill") ? serverNowMs - grid.event_time_ms : 0;
    this.foot.show(grid?.provenance ?? null, grid?.event_time_ms ?? 0, Math.max(0, ageMs));
    const sentence = emptySentence({
      apiReachable,
      coins: this.coins?.map((entry) => entry.coin) ?? null,
      coin: this.state.coin,
      scope: this.state.scope,
      hasGrid: grid !== null,
      hasColumns: (session?.history?.columns ?? 0) > 0,
      loading: session?.loading ?? false,
    });
    this.screen.showState(sentence, verdict.faded);
    const label = verdict.notices[0].kind === "live" ? "" : `[${verdict.notices[0].label}] `;
    const price = grid === null ? "" : ` ${formatPrice(grid.mark_price)}`;
    const title = `${label}${this.state.coin ?? ""}${price} · liqheat`.trim();
    if (document.title !== title) document.title = title;
  }
}
