/** The chart: candles over heat on a logarithmic price axis, the map now at the right, one small pane below. */

import {
  CandlestickSeries,
  ColorType,
  createChart,
  CrosshairMode,
  LineStyle,
  PriceScaleMode,
  type AutoscaleInfo,
  type CandlestickData,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type MouseEventParams,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
} from "lightweight-charts";

import type { Handles } from "../model/colours.ts";
import { dayAndTime, formatPrice, priceDecimals } from "../model/format.ts";
import { closedUntilMs, MAX_COLUMNS, type HeatHistory } from "../model/heat_history.ts";
import type { Levels } from "../model/levels.ts";
import { candleAt, type CandleValues } from "../model/open_candle.ts";
import { reach, type StandingMap } from "../model/standing.ts";
import { VIEW_REACH, type Timeframe } from "../model/timeframes.ts";
import { ClusterBands, type Band } from "./cluster_bands.ts";
import { HeatmapPrimitive } from "./heatmap_primitive.ts";
import { LowerPane, type LowerTab, type TimedCandle } from "./lower_pane.ts";
import { NowBars } from "./now_bars.ts";
import { BACKGROUND, CANDLE_DOWN, CANDLE_UP, CROSSHAIR, FONT, GRID_LINE, MARK, nowStripWidth, TEXT } from "./theme.ts";

/** The pointer over the map. */
export interface Hover {
  readonly x: number;
  readonly y: number;
  readonly price: number;
  /** Logical index of the column under the pointer. */
  readonly index: number;
  /** Over "map now" and not over the history. */
  readonly overNow: boolean;
}

/** Part of the mass near the mark that the first view shows. */
const FRAME_SHARE = 0.9;
const LOWER_PANE_PART = 0.17;

export class MapChart {
  readonly element: HTMLElement;
  private readonly chart: IChartApi;
  private readonly candles: ISeriesApi<"Candlestick">;
  private readonly heat = new HeatmapPrimitive();
  private readonly bars = new NowBars();
  private readonly bands = new ClusterBands();
  private readonly lower: LowerPane;
  private readonly markLine: IPriceLine;
  private history: HeatHistory | null = null;
  private frame: { low: number; high: number } | null = null;
  private framedAround = 0;
  private rowCount = 0;
  private openRow: TimedCandle | null = null;
  private lastTime: UTCTimestamp | null = null;

  constructor(element: HTMLElement, tab: LowerTab) {
    this.element = element;
    this.chart = createChart(element, chartOptions(element.clientWidth));
    this.candles = this.chart.addSeries(CandlestickSeries, {
      upColor: CANDLE_UP,
      downColor: CANDLE_DOWN,
      wickUpColor: CANDLE_UP,
      wickDownColor: CANDLE_DOWN,
      borderVisible: false,
      lastValueVisible: false,
      priceLineVisible: false,
      autoscaleInfoProvider: (original: () => AutoscaleInfo | null) => this.autoscale(original()),
    });
    this.candles.priceScale().applyOptions({ mode: PriceScaleMode.Logarithmic, scaleMargins: { top: 0.03, bottom: 0.03 } });
    this.candles.attachPrimitive(this.heat);
    this.candles.attachPrimitive(this.bands);
    this.candles.attachPrimitive(this.bars);
    this.markLine = this.candles.createPriceLine({
      price: 1,
      color: MARK,
      lineWidth: 1,
      lineStyle: LineStyle.Dotted,
      axisLabelVisible: false,
      lineVisible: false,
      title: "",
    });
    this.lower = new LowerPane(this.chart, tab);
    const [map, lower] = this.chart.panes();
    map!.setStretchFactor(1 - LOWER_PANE_PART);
    lower!.setStretchFactor(LOWER_PANE_PART);
    new ResizeObserver(() => this.resized()).observe(element);
  }

  /** Call back with the height of the map pane, now and whenever it changes. */
  onMapHeight(listener: (height: number) => void): void {
    const pane = this.chart.panes()[0]!.getHTMLElement();
    if (pane !== null) new ResizeObserver(() => listener(this.mapHeight())).observe(pane);
  }

  /** Show other closed columns. `fit`: frame them anew instead of keeping the reader's view. */
  setHistory(history: HeatHistory | null, fit: boolean): void {
    this.history = history;
    this.heat.setHistory(history);
    const rows = history === null ? [] : [...closedRows(history), ...this.openRows(history)];
    if (history === null) this.openRow = null;
    this.candles.setData(rows.map(candlePoint));
    this.lower.setRows(rows);
    this.rowCount = rows.length;
    this.lastTime = rows.at(-1)?.time ?? null;
    if (fit) {
      this.frame = null;
      this.fit(rows.length);
    }
  }

  /** The open column: its candle and the map of this second. Without closed columns it is the only one. */
  setOpen(openTimeMs: number, candle: CandleValues | null, map: StandingMap, levels: Levels): void {
    if (this.history !== null && openTimeMs < closedUntilMs(this.history)) return;
    this.openRow = { time: seconds(openTimeMs), candle };
    const rows = this.history === null ? [this.openRow] : this.openRows(this.history);
    for (const row of rows) if (row.time === this.openRow.time || this.lastTime === null || row.time > this.lastTime) this.addRow(row);
    this.heat.setOpenColumn(map, levels, this.rowCount - 1);
  }

  clearOpen(levels: Levels): void {
    this.heat.setOpenColumn(null, levels, 0);
    this.bars.set(null);
    this.markLine.applyOptions({ axisLabelVisible: false, lineVisible: false });
  }

  /** The current map: bars, mark line, and the frame of the view when the mark has left it. */
  setNow(map: StandingMap, timeframe: Timeframe): void {
    this.bars.set(map);
    const precision = priceDecimals(map.markPrice);
    if (this.frame === null || Math.abs(Math.log(map.markPrice / this.framedAround)) > VIEW_REACH[timeframe] / 4) {
      const distance = Math.max(VIEW_REACH[timeframe] / 4, reach(map, FRAME_SHARE, VIEW_REACH[timeframe]));
      this.frame = { low: map.markPrice * Math.exp(-distance), high: map.markPrice * Math.exp(distance) };
      this.framedAround = map.markPrice;
      this.candles.applyOptions({ priceFormat: { type: "custom", formatter: formatPrice, minMove: 10 ** -precision } });
    }
    this.markLine.applyOptions({ price: map.markPrice, axisLabelVisible: true, lineVisible: true });
  }

  setHandles(handles: Handles): void {
    this.heat.setHandles(handles);
  }

  setBands(bands: readonly Band[]): void {
    this.bands.set(bands);
  }

  highlight(clusterId: string | null): void {
    this.bands.highlight(clusterId);
  }

  showTab(tab: LowerTab): void {
    this.lower.show(tab);
  }

  /** Logical index of the column that opens at a time; negative before the first. */
  indexOf(openTimeMs: number): number {
    return this.history === null ? 0 : Math.floor((openTimeMs - this.history.firstOpenMs) / this.history.stepMs);
  }

  /** Prices that the map shows before the reader changes it: around the mark, and where price has been. */
  get priceFrame(): { low: number; high: number } | null {
    if (this.frame === null) return null;
    const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);
    return {
      low: Math.min(this.frame.low, ...known(this.history?.candles.low ?? [])),
      high: Math.max(this.frame.high, ...known(this.history?.candles.high ?? [])),
    };
  }

  /** Height of the map without the lower pane and the time axis. */
  mapHeight(): number {
    return this.chart.panes()[0]!.getHeight();
  }

  onHover(listener: (hover: Hover | null) => void): void {
    this.chart.subscribeCrosshairMove((event: MouseEventParams<Time>) => {
      const price = event.point === undefined ? null : this.candles.coordinateToPrice(event.point.y);
      if (event.point === undefined || price === null || event.paneIndex !== 0) return listener(null);
      const width = this.chart.timeScale().width();
      const logical = this.chart.timeScale().coordinateToLogical(event.point.x);
      listener({
        x: event.point.x,
        y: event.point.y,
        price,
        index: logical === null ? -1 : Math.round(logical),
        overNow: event.point.x > width - nowStripWidth(width),
      });
    });
  }

  /**
   * The open column, and empty ones for those before it that nobody has sent: time stays even. They are part of what a
   * new history sets, or the view would slip by a column each time.
   */
  private openRows(history: HeatHistory): TimedCandle[] {
    if (this.openRow === null) return [];
    const first = seconds(closedUntilMs(history));
    const step = history.stepMs / 1000;
    const missing = Math.round((this.openRow.time - first) / step);
    if (missing < 0) return [];
    const holes = missing > MAX_COLUMNS ? 0 : missing;
    const empty = Array.from({ length: holes }, (_, i) => ({ time: (first + i * step) as UTCTimestamp, candle: null }));
    return [...empty, this.openRow];
  }

  private addRow(row: TimedCandle): void {
    if (this.lastTime !== null && row.time < this.lastTime) return;
    if (row.time !== this.lastTime) this.rowCount++;
    this.lastTime = row.time;
    this.candles.update(candlePoint(row));
    this.lower.update(row);
  }

  private fit(columns: number): void {
    const width = Math.max(100, this.element.clientWidth - 80);
    const strip = nowStripWidth(width) + 6;
    const spacing = Math.max(1.2, Math.min(48, (width - strip) / (Math.max(1, columns) + 1)));
    this.chart.timeScale().applyOptions({ barSpacing: spacing, rightOffsetPixels: strip });
    this.chart.timeScale().resetTimeScale();
    this.chart.priceScale("right", 0).applyOptions({ autoScale: true });
  }

  private resized(): void {
    const width = this.chart.timeScale().width();
    this.chart.timeScale().applyOptions({ rightOffsetPixels: nowStripWidth(width) + 6 });
  }

  private autoscale(original: AutoscaleInfo | null): AutoscaleInfo | null {
    if (this.frame === null) return original;
    const range = original?.priceRange ?? null;
    return {
      priceRange: {
        minValue: Math.min(range?.minValue ?? this.frame.low, this.frame.low),
        maxValue: Math.max(range?.maxValue ?? this.frame.high, this.frame.high),
      },
    };
  }
}

function closedRows(history: HeatHistory): TimedCandle[] {
  return Array.from({ length: history.columns }, (_, column) => ({
    time: seconds(history.firstOpenMs + column * history.stepMs),
    candle: candleAt(history.candles, column),
  }));
}

function candlePoint(row: TimedCandle): CandlestickData<UTCTimestamp> | WhitespaceData<UTCTimestamp> {
  if (row.candle === null) return { time: row.time };
  const { open, high, low, close } = row.candle;
  return { time: row.time, open, high, low, close };
}

function seconds(timeMs: number): UTCTimestamp {
  return Math.round(timeMs / 1000) as UTCTimestamp;
}

function chartOptions(width: number) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid as const, color: BACKGROUND },
      textColor: TEXT,
      fontFamily: FONT,
      fontSize: 11,
      // The licence's notice and link are in the footer; the logo would need a style element of its own.
      attributionLogo: false,
      panes: { separatorColor: "rgba(148, 163, 184, 0.16)", separatorHoverColor: "rgba(148, 163, 184, 0.3)" },
    },
    grid: { vertLines: { color: GRID_LINE }, horzLines: { color: GRID_LINE } },
    crosshair: {
      mode: CrosshairMode.Normal,
      vertLine: { color: CROSSHAIR, labelBackgroundColor: "#2a3442" },
      horzLine: { color: CROSSHAIR, labelBackgroundColor: "#2a3442" },
    },
    // A minimum width keeps the map from jumping when labels change, and makes zooming three times as quick.
    rightPriceScale: { borderVisible: false, minimumWidth: width < 600 ? 56 : 76 },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, minBarSpacing: 0.2, maxBarSpacing: 60 },
    // Not the browser's: one without a proper language would leave the chart blank.
    localization: { locale: "en-US", timeFormatter: (time: Time) => `${dayAndTime(Number(time) * 1000)} UTC` },
    kineticScroll: { touch: !still, mouse: false },
  };
}
