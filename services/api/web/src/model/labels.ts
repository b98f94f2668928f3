/** Labels that don't cover each other. */

export interface LabelBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Move labels up or down by up to two of their heights until they are free, the first in the list first. null: there is
 * no room, and the label is better left out than unreadable.
 */
export function placeLabels(wanted: readonly LabelBox[], top: number, bottom: number): (LabelBox | null)[] {
  const placed: LabelBox[] = [];
  return wanted.map((box) => {
    for (const shift of [0, -1, 1, -2, 2]) {
      const candidate = { ...box, y: box.y + shift * (box.height + 2) };
      if (candidate.y < top || candidate.y + candidate.height > bottom) continue;
      if (placed.some((other) => overlap(candidate, other))) continue;
      placed.push(candidate);
      return candidate;
    }
    return null;
  });
}

function overlap(a: LabelBox, b: LabelBox): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
