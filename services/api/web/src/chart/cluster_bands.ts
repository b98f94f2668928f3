/** The main clusters as bands from their birth to now, each with its dollars and distance. */

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

import type { Side } from "../model/colours.ts";
import { placeLabels } from "../model/labels.ts";
import { FONT, nowStripWidth, sideColour } from "./theme.ts";

export interface Band {
  readonly id: string;
  readonly side: Side;
  readonly lowerPrice: number;
  readonly upperPrice: number;
  /** Logical index of the column in which it formed; negative: before the first one. */
  readonly birthIndex: number;
  readonly label: string;
}

const LABEL_HEIGHT = 17;

interface Placed {
  readonly band: Band;
  readonly left: number;
  readonly top: number;
  readonly height: number;
}

export class ClusterBands implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  private readonly views: readonly IPrimitivePaneView[] = [this];
  private chart: IChartApi | null = null;
  private series: ISeriesApi<SeriesType> | null = null;
  private requestUpdate: () => void = () => undefined;
  private bands: readonly Band[] = [];
  private highlighted: string | null = null;

  /** Bands in the order in which their labels get room. */
  set(bands: readonly Band[]): void {
    this.bands = bands;
    this.requestUpdate();
  }

  highlight(id: string | null): void {
    this.highlighted = id;
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
    return "normal";
  }

  renderer(): IPrimitivePaneRenderer {
    return this;
  }

  draw(target: CanvasRenderingTarget2D): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      const right = mediaSize.width - nowStripWidth(mediaSize.width);
      const placed = this.bands.flatMap((band) => this.place(band, right));
      for (const item of placed) this.drawBand(context, item, right);
      this.drawLabels(context, placed, right, mediaSize.height);
    });
  }

  private place(band: Band, right: number): Placed[] {
    const x = band.birthIndex < 0 ? 0 : (this.chart?.timeScale().logicalToCoordinate(band.birthIndex as Logical) ?? null);
    const top = this.series?.priceToCoordinate(band.upperPrice) ?? null;
    const bottom = this.series?.priceToCoordinate(band.lowerPrice) ?? null;
    if (x === null || top === null || bottom === null || x > right) return [];
    return [{ band, left: Math.max(0, x), top, height: Math.max(2, bottom - top) }];
  }

  private drawBand(context: CanvasRenderingContext2D, { band, left, top, height }: Placed, right: number): void {
    const bright = band.id === this.highlighted;
    if (bright) {
      context.fillStyle = sideColour(band.side, 0.16);
      context.fillRect(left, top, right - left, height);
    }
    context.strokeStyle = sideColour(band.side, bright ? 1 : 0.5);
    context.lineWidth = 1;
    context.beginPath();
    for (const y of [Math.round(top) + 0.5, Math.round(top + height) + 0.5]) {
      context.moveTo(left, y);
      context.lineTo(right, y);
    }
    context.stroke();
  }

  private drawLabels(context: CanvasRenderingContext2D, placed: readonly Placed[], right: number, bottom: number): void {
    context.font = `11px ${FONT}`;
    context.textBaseline = "middle";
    const wanted = placed.map(({ band, left, top, height }) => {
      const width = context.measureText(band.label).width + 12;
      return {
        x: Math.max(4, Math.min(left + 4, right - width - 6)),
        y: band.side === "short" ? top - LABEL_HEIGHT - 2 : top + height + 3,
        width,
        height: LABEL_HEIGHT,
      };
    });
    placeLabels(wanted, 2, bottom - 2).forEach((box, index) => {
      if (box === null) return;
      const { band } = placed[index]!;
      context.fillStyle = "rgba(9, 12, 17, 0.82)";
      context.beginPath();
      context.roundRect(box.x, box.y, box.width, box.height, 3);
      context.fill();
      context.fillStyle = sideColour(band.side);
      context.fillText(band.label, box.x + 6, box.y + box.height / 2 + 0.5);
    });
  }
}
