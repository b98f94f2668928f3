/** The map and everything over it: chart, slider, read-out, tabs, empty states. */

import { MapChart, type Hover } from "./chart/map_chart.ts";
import type { Band } from "./chart/cluster_bands.ts";
import type { Cluster } from "./io/wire.ts";
import { columnOpenMs } from "./model/timeframes.ts";
import type { MarketSession } from "./market_session.ts";
import type { Handles } from "./model/colours.ts";
import { planesBetween } from "./model/heat_history.ts";
import { youngHistoryHint } from "./model/empty_state.ts";
import { percent, shortUsd } from "./model/format.ts";
import { automaticHandles, handlesOf, intensityOf, separated, shifted, sliderBounds } from "./model/intensity.ts";
import { encode, type Levels } from "./model/levels.ts";
import type { StandingMap } from "./model/standing.ts";
import type { Timeframe } from "./model/timeframes.ts";
import type { IntensityUsd } from "./model/url_state.ts";
import { readoutLines } from "./readout_lines.ts";
import { ladder } from "./ui/cluster_list.ts";
import { byId, make, setText } from "./ui/dom.ts";
import { IntensitySlider } from "./ui/intensity_slider.ts";
import { LowerTabs } from "./ui/lower_tabs.ts";
import { Readout } from "./ui/readout.ts";

/** Until the first columns say otherwise. */
const LEVELS: Levels = { floorUsd: 100, ratio: 10 ** (8 / 254) };
const BIN_WIDTH = 0.001;
const BANDS_PER_SIDE = 3;

export class MapScreen {
  private readonly chart: MapChart;
  private readonly slider: IntensitySlider;
  private readonly tabs: LowerTabs;
  private readonly readout = new Readout(byId("readout"));
  private readonly map = byId("map");
  private readonly empty = byId("empty");
  private readonly hint = byId("hint");
  private readonly intensityChosen: (intensity: IntensityUsd) => void;
  private readonly timeframeChosen: (timeframe: Timeframe) => void;
  private session: MarketSession | null = null;
  private levels = LEVELS;
  private handles: Handles | null = null;
  private now: StandingMap | null = null;
  private hover: Hover | null = null;
  /** The reader has zoomed or moved the map. */
  private held = false;
  private shownHint = "";

  constructor(chosen: { intensity: (intensity: IntensityUsd) => void; timeframe: (timeframe: Timeframe) => void }) {
    this.intensityChosen = chosen.intensity;
    this.timeframeChosen = chosen.timeframe;
    this.chart = new MapChart(byId("chart"), "liquidations");
    this.slider = new IntensitySlider((handles) => this.chooseHandles(handles));
    this.tabs = new LowerTabs((tab) => this.chart.showTab(tab));
    this.chart.onMapHeight((height) => {
      byId("lower").style.transform = `translateY(${Math.round(height) + 6}px)`;
    });
    for (const type of ["wheel", "pointerdown"])
      this.chart.element.addEventListener(type, () => (this.held = true), { capture: true, passive: true });
    this.chart.onHover((hover) => {
      this.hover = hover;
      this.showReadout();
    });
  }

  /** Show another session; null intensity: choose the handles from its data. */
  open(session: MarketSession, intensity: IntensityUsd | null): void {
    const sameMarket = this.session?.coin === session.coin && this.session.scope === session.scope;
    this.session = session;
    this.held = false;
    this.chart.setHistory(null, true);
    if (!sameMarket) {
      this.now = null;
      this.chart.clearOpen(this.levels);
      this.chart.setBands([]);
    }
    this.handles = intensity === null ? null : handlesOf(intensity, this.levels);
  }

  /** Current map; null: none yet. */
  get standing(): StandingMap | null {
    return this.now;
  }

  showHistory(): void {
    const history = this.session?.history ?? null;
    if (history !== null) this.levels = history.levels;
    // A map that grows is framed anew with each column, until the reader takes hold of it.
    this.chart.setHistory(history, !this.held);
    this.showOpen();
    this.chooseAutomatically();
    const { liquidated_long = [], liquidated_short = [] } = history?.candles ?? {};
    this.tabs.showLiquidations([...liquidated_long, ...liquidated_short].some((usd) => usd !== null && usd > 0));
    this.showBands();
  }

  showGrid(): void {
    const grid = this.session?.grid ?? null;
    if (grid === null) return;
    this.now = {
      firstBin: grid.first_bin,
      binWidth: grid.bin_width,
      longUsd: grid.long_usd,
      shortUsd: grid.short_usd,
      markPrice: grid.mark_price,
    };
    if (this.handles === null) this.chooseAutomatically();
    this.showOpen();
    this.showReadout();
  }

  showBands(): void {
    const { session } = this;
    if (session === null) return;
    const clusters = session.clusters?.clusters ?? [];
    const shown = [...ladder(clusters, "short", BANDS_PER_SIDE), ...ladder(clusters, "long", BANDS_PER_SIDE)];
    this.chart.setBands(shown.sort((a, b) => b.mass_usd - a.mass_usd).map((cluster) => this.band(cluster, session.timeframe)));
  }

  highlight(clusterId: string | null): void {
    this.chart.highlight(clusterId);
  }

  /** Positive steps: brighter. */
  shiftIntensity(steps: number): void {
    if (this.handles !== null) this.chooseHandles(shifted(this.handles, steps));
  }

  showState(sentence: string | null, faded: boolean): void {
    this.empty.hidden = sentence === null;
    setText(this.empty, sentence ?? "");
    this.chart.element.classList.toggle("faded", faded);
    this.map.setAttribute("aria-busy", String(this.session?.loading ?? true));
    this.showHint(sentence === null);
  }

  private band(cluster: Cluster, timeframe: Timeframe): Band {
    return {
      id: cluster.cluster_id,
      side: cluster.side,
      lowerPrice: cluster.lower_price,
      upperPrice: cluster.upper_price,
      birthIndex: this.chart.indexOf(columnOpenMs(cluster.formed_time_ms, timeframe)),
      label: `${shortUsd(cluster.mass_usd)}  ${percent(cluster.distance_fraction, true)}`,
    };
  }

  private showOpen(): void {
    const { session, now } = this;
    if (session === null || now === null) return;
    if (session.openTimeMs > 0) this.chart.setOpen(session.openTimeMs, session.openCandle, now, this.levels);
    this.chart.setNow(now, session.timeframe);
  }

  private chooseAutomatically(): void {
    const history = this.session?.history ?? null;
    const now = this.now;
    const frame = this.chart.priceFrame;
    const planes = history === null ? [] : frame === null ? [history.long, history.short] : planesBetween(history, frame.low, frame.high);
    if (now !== null && planes.length === 0) planes.push(encode(this.levels, now.longUsd), encode(this.levels, now.shortUsd));
    if (planes.length === 0) return;
    this.slider.setBounds(sliderBounds(planes));
    this.setHandles(this.handles ?? automaticHandles(planes));
  }

  private chooseHandles(handles: Handles): void {
    this.setHandles(separated(handles));
    this.intensityChosen(intensityOf(this.handles!, this.levels));
  }

  private setHandles(handles: Handles): void {
    this.handles = handles;
    this.slider.show(handles, this.levels, this.session?.history?.binWidth ?? this.now?.binWidth ?? BIN_WIDTH);
    this.chart.setHandles(handles);
  }

  private showReadout(): void {
    if (this.hover === null || this.session === null) return this.readout.hide();
    const lines = readoutLines(this.hover, this.session, this.now);
    this.readout.show(this.hover.x, this.hover.y, this.chart.element.clientWidth - 80, this.chart.mapHeight(), lines);
  }

  private showHint(visible: boolean): void {
    const { session } = this;
    const time = session?.grid?.event_time_ms;
    const hint =
      !visible || session === null || session.loading || time === undefined
        ? null
        : youngHistoryHint(session.timeframe, session.history?.columns ?? 0, time);
    this.hint.hidden = hint === null;
    const wanted = hint === null ? "" : hint.sentence + (hint.shorter ?? "");
    if (wanted === this.shownHint) return;
    this.shownHint = wanted;
    this.hint.replaceChildren(hint?.sentence ?? "");
    const shorter = hint?.shorter ?? null;
    if (shorter === null) return;
    const button = make("button", "", [`Show ${shorter}`]);
    button.type = "button";
    button.addEventListener("click", () => this.timeframeChosen(shorter));
    this.hint.append(button);
  }
}
