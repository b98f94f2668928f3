/** Short numbers for the eye, long ones for the title. All times are UTC. */

const NARROW = "\u00a0";
export const NONE = "–";

function digits(value: number, significant: number): string {
  const rounded = Number(value.toPrecision(significant));
  return rounded.toFixed(Math.max(0, significant - 1 - Math.floor(Math.log10(rounded) + 1e-9)));
}

/** $182 M, $1.82 B, $940. */
export function shortUsd(usd: number): string {
  const size = Math.abs(usd);
  const sign = usd < 0 ? "−" : "";
  const units: readonly (readonly [number, string])[] = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ];
  for (const [unit, letter] of units) {
    // 999,600 is "$1.00 M" and not "$1000 K".
    if (size >= unit * 0.9995) return `${sign}$${digits(size / unit, 3)}${NARROW}${letter}`;
  }
  return `${sign}$${size.toFixed(0)}`;
}

/** $182,340,112. */
export function longUsd(usd: number): string {
  return `${usd < 0 ? "−" : ""}$${Math.round(Math.abs(usd)).toLocaleString("en-US")}`;
}

/** Decimals that show about five significant digits of a price. */
export function priceDecimals(price: number): number {
  if (!(price > 0)) return 2;
  return Math.max(0, Math.min(10, 4 - Math.floor(Math.log10(price))));
}

/** By decimals: to build one takes a millisecond, and an axis asks for many. */
const priceFormats = new Map<number, Intl.NumberFormat>();

/** Below a thousandth the zeros are counted: 0.0₅8230 is 0.000008230. */
export function formatPrice(price: number): string {
  if (price > 0 && price < 0.001) {
    const zeros = -Math.floor(Math.log10(price)) - 1;
    const rest = Math.round(price * 10 ** (zeros + 4));
    // 9.9996 rounds up to one zero less.
    if (rest >= 10_000) return formatPrice(10 ** -zeros);
    return `0.0${[...String(zeros)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]).join("")}${rest}`;
  }
  return longPrice(price);
}

export function longPrice(price: number): string {
  const decimals = priceDecimals(price);
  let format = priceFormats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    priceFormats.set(decimals, format);
  }
  return format.format(price);
}

/** 4.6 %, or +4.6 % when signed. */
export function percent(fraction: number, signed = false): string {
  const value = Math.abs(fraction * 100);
  const text = value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
  const sign = Number(text) === 0 ? "" : fraction < 0 ? "−" : signed ? "+" : "";
  return `${sign}${text}${NARROW}%`;
}

/** 62 %: a probability or share without decimals. */
export function wholePercent(fraction: number): string {
  return `${Math.round(fraction * 100)}${NARROW}%`;
}

/** 6 %, 0.4 %: a share that may be small. */
export function sharePercent(share: number): string {
  return share > 0 && share < 0.0095 ? percent(share) : wholePercent(share);
}

/** A probability beside its base rate, never without. */
export function touchText(probability: number, baseRate: number | null): string {
  return `${wholePercent(probability)} / base ${baseRate === null ? NONE : wholePercent(baseRate)}`;
}

export function sigmas(value: number | null): string {
  return value === null ? NONE : `${Math.abs(value).toFixed(1)}σ`;
}

/** 0.8 s, 12 s, 4 min, 3 h, 2 d. */
export function age(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}${NARROW}s`;
  if (seconds < 99.5) return `${Math.round(seconds)}${NARROW}s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)}${NARROW}min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)}${NARROW}h`;
  return `${Math.round(seconds / 86400)}${NARROW}d`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** 23 Nov 16:00. */
export function dayAndTime(timeMs: number): string {
  const date = new Date(timeMs);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${clock(timeMs).slice(0, 5)}`;
}

/** 16:00:05. */
export function clock(timeMs: number): string {
  const date = new Date(timeMs);
  return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
}

/** 2026-11-23 16:00:05 UTC. */
export function fullTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 10)} ${clock(timeMs)} UTC`;
}
