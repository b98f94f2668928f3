/** "Map now": the current grid by price as bars at the right edge, longs below the mark and shorts above it. */

import type { CanvasRenderingTarget2D } from "fancy-canvas";
import type {
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  PrimitivePaneViewZOrder,
  SeriesAttachedParameter,
  SeriesType,
  Time,
} from "lightweight-charts";

import type { Side } from "../model/colours.ts";
import { shortUsd } from "../model/format.ts";
import { priceOfBin, type StandingMap } from "../model/standing.ts";
import { BACKGROUND, FONT, MARK, nowStripWidth, sideColour, TEXT } from "./theme.ts";

export class NowBars implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  private readonly views: readonly IPrimitivePaneView[] = [this];
  private series: ISeriesApi<SeriesType> | null = null;
  private requestUpdate: () => void = () => undefined;
  private map: StandingMap | null = null;

  set(map: StandingMap | null): void {
    this.map = map;
    this.requestUpdate();
  }

  attached(parameter: SeriesAttachedParameter<Time>): void {
    this.series = parameter.series;
    this.requestUpdate = parameter.requestUpdate;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.views;
  }

  zOrder(): PrimitivePaneViewZOrder {
    return "top";
  }

  renderer(): IPrimitivePaneRenderer {
    return this;
  }

  draw(target: CanvasRenderingTarget2D): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      const width = nowStripWidth(mediaSize.width);
      const left = mediaSize.width - width;
      context.fillStyle = BACKGROUND;
      context.fillRect(left, 0, width, mediaSize.height);
      context.fillStyle = "rgba(148, 163, 184, 0.16)";
      context.fillRect(left, 0, 1, mediaSize.height);
      if (this.map === null) return;
      const rows = this.rows(this.map, mediaSize.height);
      const largest = rows.reduce((most, row) => Math.max(most, row.usd), 0);
      if (largest > 0) drawRows(context, rows, largest, left + 6, width - 10);
      this.drawMark(context, left, mediaSize.width);
      context.fillStyle = "rgba(9, 12, 17, 0.85)";
      context.fillRect(left + 1, 0, width, 24);
      context.font = `10px ${FONT}`;
      context.fillStyle = TEXT;
      context.textBaseline = "top";
      context.fillText("Map now", left + 8, 8);
      if (largest > 0 && width > 100) {
        const text = `max ${shortUsd(largest)}`;
        context.fillText(text, mediaSize.width - 6 - context.measureText(text).width, 8);
      }
    });
  }

  /** One row a pixel at most: of several bins in a pixel the largest is shown. */
  private rows(map: StandingMap, height: number): Row[] {
    const rows: Row[] = [];
    const bins = Math.min(map.longUsd.length, map.shortUsd.length);
    const bottom = this.series?.priceToCoordinate(priceOfBin(map.firstBin, map.binWidth)) ?? null;
    const top = this.series?.priceToCoordinate(priceOfBin(map.firstBin + bins, map.binWidth)) ?? null;
    if (bottom === null || top === null || bottom <= top) return rows;
    const binHeight = (bottom - top) / bins;
    for (let bin = 0; bin < bins; bin++) {
      const long = map.longUsd[bin]!;
      const short = map.shortUsd[bin]!;
      const usd = Math.max(long, short);
      const y = bottom - (bin + 1) * binHeight;
      if (usd <= 0 || y > height || y + binHeight < 0) continue;
      const side: Side = long >= short ? "long" : "short";
      const pixel = Math.floor(y);
      const previous = rows.at(-1);
      if (previous === undefined || Math.floor(previous.y) !== pixel || binHeight >= 1)
        rows.push({ y, height: binHeight, usd, side });
      else if (usd > previous.usd) Object.assign(previous, { usd, side });
    }
    return rows;
  }

  private drawMark(context: CanvasRenderingContext2D, left: number, right: number): void {
    const y = this.map === null ? null : (this.series?.priceToCoordinate(this.map.markPrice) ?? null);
    if (y === null) return;
    context.strokeStyle = MARK;
    context.lineWidth = 1;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(left, Math.round(y) + 0.5);
    context.lineTo(right, Math.round(y) + 0.5);
    context.stroke();
    context.setLineDash([]);
  }
}

interface Row {
  y: number;
  height: number;
  usd: number;
  side: Side;
}

function drawRows(context: CanvasRenderingContext2D, rows: readonly Row[], largest: number, left: number, width: number): void {
  const colours: Record<Side, string> = { long: sideColour("long", 0.85), short: sideColour("short", 0.85) };
  for (const row of rows) {
    context.fillStyle = colours[row.side];
    // Whole pixels: edges between pixels would show as stripes.
    const top = Math.round(row.y);
    const height = Math.max(1, Math.round(row.y + row.height) - top - (row.height >= 4 ? 1 : 0));
    context.fillRect(left, top, Math.max(1, (row.usd / largest) * width), height);
  }
}
