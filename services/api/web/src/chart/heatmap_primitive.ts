/** The heat under the candles: one affine drawImage for the closed columns, one for the open column. */

import type { CanvasRenderingTarget2D } from "fancy-canvas";
import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  Logical,
  PrimitivePaneViewZOrder,
  SeriesAttachedParameter,
  SeriesType,
  Time,
} from "lightweight-charts";

import { reductionLevel } from "../model/aggregation.ts";
import type { Handles } from "../model/colours.ts";
import type { HeatHistory } from "../model/heat_history.ts";
import type { Levels } from "../model/levels.ts";
import { priceOfBin } from "../model/standing.ts";
import { HeatmapBitmap } from "./heatmap_bitmap.ts";
import { OpenColumn } from "./open_column.ts";

export class HeatmapPrimitive implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  private readonly bitmap = new HeatmapBitmap();
  private readonly openColumn = new OpenColumn();
  private readonly views: readonly IPrimitivePaneView[] = [this];
  private chart: IChartApi | null = null;
  private series: ISeriesApi<SeriesType> | null = null;
  private requestUpdate: () => void = () => undefined;
  private history: HeatHistory | null = null;
  private handles: Handles = { low: 1, high: 255 };
  private binWidth = 0.001;
  /** Logical index of the open column. */
  private openIndex = 0;

  setHistory(history: HeatHistory | null): void {
    this.history = history;
    this.bitmap.setHistory(history);
    this.requestUpdate();
  }

  setHandles(handles: Handles): void {
    this.handles = handles;
    this.bitmap.setHandles(handles);
    this.requestUpdate();
  }

  setOpenColumn(
    grid: { firstBin: number; binWidth: number; longUsd: ArrayLike<number>; shortUsd: ArrayLike<number> } | null,
    levels: Levels,
    index: number,
  ): void {
    this.openIndex = index;
    if (grid === null) this.openColumn.clear();
    else {
      this.binWidth = grid.binWidth;
      this.openColumn.set(grid.firstBin, grid.longUsd, grid.shortUsd, levels);
    }
    this.requestUpdate();
  }

  attached(parameter: SeriesAttachedParameter<Time>): void {
    this.chart = parameter.chart as IChartApi;
    this.series = parameter.series;
    this.requestUpdate = parameter.requestUpdate;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.views;
  }

  zOrder(): PrimitivePaneViewZOrder {
    return "bottom";
  }

  renderer(): IPrimitivePaneRenderer {
    return this;
  }

  draw(target: CanvasRenderingTarget2D): void {
    target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio, verticalPixelRatio }) => {
      if (this.chart === null) return;
      const spacing = this.chart.timeScale().options().barSpacing;
      context.save();
      context.imageSmoothingEnabled = false;
      context.scale(horizontalPixelRatio, verticalPixelRatio);
      const timeLevel = reductionLevel(spacing * horizontalPixelRatio);
      this.drawHistory(context, spacing, timeLevel, verticalPixelRatio);
      this.drawOpenColumn(context, spacing, verticalPixelRatio);
      context.restore();
    });
  }

  private drawHistory(context: CanvasRenderingContext2D, spacing: number, timeLevel: number, ratio: number): void {
    const { history } = this;
    if (history === null || history.columns === 0) return;
    const first = this.x(0);
    const last = this.x(history.columns - 1);
    const span = this.span(history.firstBin, history.bins, history.binWidth);
    if (first === null || last === null || span === null) return;
    const priceLevel = reductionLevel(((span.bottom - span.top) / history.bins) * ratio);
    const canvas = this.bitmap.canvas(timeLevel, priceLevel);
    if (canvas === null) return;
    const left = first - spacing / 2;
    const width = last - first + spacing;
    const cellWidth = width / history.columns;
    const cellHeight = (span.bottom - span.top) / history.bins;
    // The last reduced column and the topmost reduced row may stand for less than they measure: what hangs over is cut.
    const drawnWidth = canvas.width * cellWidth * 2 ** timeLevel;
    const drawnHeight = canvas.height * cellHeight * 2 ** priceLevel;
    context.save();
    context.beginPath();
    context.rect(left, span.top, width, span.bottom - span.top);
    context.clip();
    context.drawImage(canvas, left, span.bottom - drawnHeight, drawnWidth, drawnHeight);
    context.restore();
  }

  private drawOpenColumn(context: CanvasRenderingContext2D, spacing: number, ratio: number): void {
    const x = this.x(this.openIndex);
    const span = this.span(this.openColumn.firstBin, this.openColumn.bins, this.binWidth);
    if (x === null || span === null || this.openColumn.bins === 0) return;
    const priceLevel = reductionLevel(((span.bottom - span.top) / this.openColumn.bins) * ratio);
    const canvas = this.openColumn.canvas(priceLevel, this.handles);
    if (canvas === null) return;
    const height = ((canvas.height * (span.bottom - span.top)) / this.openColumn.bins) * 2 ** priceLevel;
    context.drawImage(canvas, x - spacing / 2, span.bottom - height, spacing, height);
  }

  private x(index: number): number | null {
    return this.chart?.timeScale().logicalToCoordinate(index as Logical) ?? null;
  }

  /** Pixels of a run of bins. The scale is logarithmic, so a bin is as high as any other. */
  private span(firstBin: number, bins: number, binWidth: number): { top: number; bottom: number } | null {
    const bottom = this.series?.priceToCoordinate(priceOfBin(firstBin, binWidth)) ?? null;
    const top = this.series?.priceToCoordinate(priceOfBin(firstBin + bins, binWidth)) ?? null;
    return top === null || bottom === null || bottom <= top ? null : { top, bottom };
  }
}
