/** The column that is still open: the map of this second, as a strip one cell wide. */

import { reducePlane } from "../model/aggregation.ts";
import { paint, type Handles } from "../model/colours.ts";
import { encode, type Levels } from "../model/levels.ts";

export class OpenColumn {
  firstBin = 0;
  bins = 0;
  private long = new Uint8Array();
  private short = new Uint8Array();
  private levels: Levels | null = null;
  private readonly canvasElement = document.createElement("canvas");
  private readonly context = this.canvasElement.getContext("2d")!;
  private paintedAs = "";
  private version = 0;

  /** Take over a grid's bins. */
  set(firstBin: number, longUsd: ArrayLike<number>, shortUsd: ArrayLike<number>, levels: Levels): void {
    this.firstBin = firstBin;
    this.bins = longUsd.length;
    this.long = encode(levels, longUsd);
    this.short = encode(levels, shortUsd);
    this.levels = levels;
    this.version++;
  }

  clear(): void {
    this.bins = 0;
    this.version++;
  }

  canvas(priceLevel: number, handles: Handles): HTMLCanvasElement | null {
    if (this.bins === 0 || this.levels === null) return null;
    const wanted = `${this.version}/${priceLevel}/${handles.low}/${handles.high}`;
    if (wanted !== this.paintedAs) {
      const long = reducePlane({ codes: this.long, columns: 1, rows: this.bins }, 0, priceLevel, this.levels);
      const short = reducePlane({ codes: this.short, columns: 1, rows: this.bins }, 0, priceLevel, this.levels);
      this.canvasElement.width = 1;
      this.canvasElement.height = long.rows;
      const image = this.context.createImageData(1, long.rows);
      paint(long.codes, short.codes, 1, long.rows, handles, new Uint32Array(image.data.buffer));
      this.context.putImageData(image, 0, 0);
      this.paintedAs = wanted;
    }
    return this.canvasElement;
  }
}
