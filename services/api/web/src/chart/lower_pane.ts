/** The small pane under the map: one quantity at a time, chosen by tabs. */

import { HistogramSeries, LineSeries, PriceScaleMode, type IChartApi, type ISeriesApi, type UTCTimestamp } from "lightweight-charts";

import { shortUsd } from "../model/format.ts";
import type { CandleValues } from "../model/open_candle.ts";
import { sideColour } from "./theme.ts";

export const LOWER_TABS = ["liquidations", "cvd", "open-interest", "volume"] as const;
export type LowerTab = (typeof LOWER_TABS)[number];

export const TAB_LABELS: Readonly<Record<LowerTab, string>> = {
  liquidations: "Liquidations",
  cvd: "CVD",
  "open-interest": "Open interest",
  volume: "Volume",
};

export interface TimedCandle {
  readonly time: UTCTimestamp;
  readonly candle: CandleValues | null;
}

type PaneSeries = ISeriesApi<"Histogram"> | ISeriesApi<"Line">;
interface Curve {
  readonly series: PaneSeries;
  readonly value: (candle: CandleValues) => number | null;
}

const PANE = 1;
const FORMAT = { type: "custom", formatter: shortUsd, minMove: 1 } as const;
const QUIET = { priceFormat: FORMAT, priceLineVisible: false, lastValueVisible: false } as const;

export class LowerPane {
  private readonly chart: IChartApi;
  private curves: Curve[] = [];
  private rows: readonly TimedCandle[] = [];

  constructor(chart: IChartApi, tab: LowerTab) {
    this.chart = chart;
    this.show(tab);
  }

  show(tab: LowerTab): void {
    const previous = this.curves;
    this.curves = this.create(tab);
    for (const { series } of previous) this.chart.removeSeries(series);
    this.curves[0]!.series.priceScale().applyOptions({
      mode: PriceScaleMode.Normal,
      scaleMargins: { top: 0.26, bottom: 0.06 },
      minimumWidth: 76,
    });
    this.setRows(this.rows);
  }

  setRows(rows: readonly TimedCandle[]): void {
    this.rows = rows;
    for (const curve of this.curves) curve.series.setData(rows.map((row) => point(curve, row)));
  }

  /** Replace or add the last row. */
  update(row: TimedCandle): void {
    const last = this.rows.at(-1);
    this.rows = last !== undefined && last.time === row.time ? [...this.rows.slice(0, -1), row] : [...this.rows, row];
    for (const curve of this.curves) curve.series.update(point(curve, row));
  }

  private create(tab: LowerTab): Curve[] {
    switch (tab) {
      case "liquidations":
        return [
          this.histogram(sideColour("short", 0.8), (candle) => candle.liquidatedShortUsd),
          this.histogram(sideColour("long", 0.8), (candle) => -candle.liquidatedLongUsd),
        ];
      case "cvd":
        return [this.line((candle) => candle.cvdUsd)];
      case "open-interest":
        return [this.line((candle) => candle.openInterestUsd)];
      case "volume":
        return [this.histogram("rgba(148, 163, 184, 0.55)", (candle) => candle.volumeUsd)];
    }
  }

  private histogram(color: string, value: Curve["value"]): Curve {
    return { series: this.chart.addSeries(HistogramSeries, { ...QUIET, color }, PANE), value };
  }

  private line(value: Curve["value"]): Curve {
    const series = this.chart.addSeries(
      LineSeries,
      { ...QUIET, color: "#c3ccd8", lineWidth: 1, crosshairMarkerRadius: 3 },
      PANE,
    );
    return { series, value };
  }
}

function point(curve: Curve, row: TimedCandle): { time: UTCTimestamp; value?: number } {
  const value = row.candle === null ? null : curve.value(row.candle);
  return value === null ? { time: row.time } : { time: row.time, value };
}
