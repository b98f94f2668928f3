import assert from "node:assert/strict";
import { test } from "node:test";

import { deleveragingSummary } from "../src/model/deleveraging.ts";
import { emptySentence, youngHistoryHint } from "../src/model/empty_state.ts";
import * as format from "../src/model/format.ts";
import { judge, type Member, type Phase, type Provenance, type Situation } from "../src/model/honesty.ts";
import { heardSummary, heardWords, type LiquidationFeed } from "../src/model/liquidation_feed.ts";
import { formatState, parseState } from "../src/model/url_state.ts";

const plain = (text: string): string => text.replaceAll("\u00a0", " ");
const T0 = Date.UTC(2026, 10, 23, 16, 0, 5);

test("dollars are short, and the long form has every digit", () => {
  const cases: [number, string][] = [
    [182_340_112, "$182 M"],
    [1_820_000_000, "$1.82 B"],
    [18_240_000, "$18.2 M"],
    [940, "$940"],
    [0, "$0"],
    [999_600, "$1.00 M"],
    [-5_500, "−$5.50 K"],
    [3.2e12, "$3.20 T"],
  ];
  for (const [usd, text] of cases) assert.equal(plain(format.shortUsd(usd)), text);
  assert.equal(format.longUsd(182_340_112.4), "$182,340,112");
});

test("prices keep about five digits at any size", () => {
  assert.equal(format.formatPrice(71_420.4), "71,420");
  assert.equal(format.formatPrice(164.312), "164.31");
  assert.equal(format.formatPrice(0.52134), "0.52134");
  assert.equal(format.formatPrice(0.0000082345), "0.0₅8235");
  assert.equal(format.formatPrice(0.00000099999), "0.0₅1000");
  assert.equal(format.formatPrice(0.00000000001234), "0.0₁₀1234");
  assert.equal(format.longPrice(0.0000082345), "0.0000082345");
});

test("percent, sigmas, ages and times read as they should", () => {
  assert.equal(plain(format.percent(0.046, true)), "+4.6 %");
  assert.equal(plain(format.percent(-0.1042, true)), "−10.4 %");
  assert.equal(plain(format.percent(-0.0001, true)), "0.0 %");
  assert.equal(format.sigmas(-3.06), "3.1σ");
  assert.equal(format.sigmas(null), "–");
  assert.deepEqual([800, 12_400, 240_000, 3 * 3_600_000, 2 * 86_400_000].map((ms) => plain(format.age(ms))), ["0.8 s", "12 s", "4 min", "3 h", "2 d"]);
  assert.equal(format.dayAndTime(T0), "23 Nov 16:00");
  assert.equal(format.fullTime(T0), "2026-11-23 16:00:05 UTC");
});

test("a chance of touch is never without its base rate", () => {
  assert.equal(plain(format.touchText(0.62, 0.48)), "62 % / base 48 %");
  assert.equal(plain(format.touchText(0.62, null)), "62 % / base –");
});

test("the address says the state and gives it back", () => {
  const state = { coin: "ETH", scope: "bybit", timeframe: "1h" as const, intensity: { lowUsd: 250_000, highUsd: 12_000_000 }, horizon: "1h" as const };
  assert.equal(formatState(state), "?coin=ETH&scope=bybit&timeframe=1h&intensity=250000-12000000");
  assert.deepEqual(parseState(formatState(state)), state);
  assert.deepEqual(parseState(formatState({ ...state, horizon: "24h" })), { ...state, horizon: "24h" });
});

test("nonsense in the address falls back to the defaults", () => {
  const fallback = { coin: null, scope: "aggregated", timeframe: "4h", intensity: null, horizon: "1h" };
  assert.deepEqual(parseState("?coin=%3Cscript%3E&scope=../x&timeframe=9h&intensity=9-1&horizon=2h"), fallback);
  assert.deepEqual(parseState(""), fallback);
  assert.equal(parseState("?coin=btc").coin, "BTC");
});

const feed = (change: Partial<LiquidationFeed> = {}): LiquidationFeed => ({
  kind: "throttled",
  connected_since_ms: T0 - 5 * 86_400_000,
  unbroken_since_ms: T0 - 3_600_000,
  heard_share_24h: 0.9709,
  heard_share_since_connected: 0.99999,
  ...change,
});

test("how much of a feed was heard is said in plain words and never rounded up", () => {
  assert.equal(plain(heardWords(feed(), T0)), "liquidations heard 97.0 % of 24 h; throttled to the largest per second");
  assert.match(plain(heardWords(feed(), T0, 0.412)), /; throttled to the largest per second, about 41 % of the dollars$/);
  assert.match(heardWords(feed({ kind: "complete" }), T0, 1), /24 h$/);
  assert.equal(plain(heardWords(feed({ kind: "complete", heard_share_24h: 0.99999 }), T0)), "liquidations heard 99.9 % of 24 h");
  assert.equal(plain(heardWords(feed({ kind: "complete", heard_share_24h: 1 }), T0)), "liquidations heard 100 % of 24 h");
  const young = { kind: "partial", connected_since_ms: T0 - 3 * 3_600_000, heard_share_24h: 0.12, heard_share_since_connected: 0.96 } as const;
  assert.equal(plain(heardWords(feed(young), T0)), "liquidations heard 96.0 % of the 3 h since connected; the venue leaves some out");
  assert.match(heardWords(feed({ unbroken_since_ms: null }), T0), /; not heard now$/);
  const never = { connected_since_ms: null, unbroken_since_ms: null, heard_share_24h: 0, heard_share_since_connected: null };
  assert.equal(heardWords(feed({ kind: "complete", ...never }), T0), "liquidations not heard yet");
  assert.equal(heardWords(feed({ kind: "none", ...never, heard_share_24h: null }), T0), "no public feed of liquidations");
});

test("a suspected deleveraging is told with its time, side and size, and as a suspicion", () => {
  const told = { suspected_from_ms: T0 - 600_000, suspected_to_ms: T0, deleveraged_side: "short", deleveraged_usd: 120_400_000 } as const;
  const members = [
    { venue: "bybit", symbol: "BTC/USDT:USDT", deleveraging: told },
    { venue: "okx", symbol: "BTC/USDT:USDT", deleveraging: null },
    { venue: "old", symbol: "BTC/USDT:USDT" },
  ];
  const summary = deleveragingSummary(members);
  assert.equal(summary?.text, `deleveraging suspected ${format.dayAndTime(T0)}`);
  assert.deepEqual(plain(summary?.title ?? "").split("\n").slice(1), [
    `bybit BTC/USDT:USDT: ${format.dayAndTime(T0 - 600_000)} to ${format.dayAndTime(T0)}, about $120 M of shorts`,
  ]);
  assert.equal(deleveragingSummary(members.slice(1)), null);
});

test("of several venues the least heard stands in the footer, and each has its line", () => {
  const none = feed({ kind: "none", connected_since_ms: null, unbroken_since_ms: null, heard_share_24h: null, heard_share_since_connected: null });
  const told = [
    { venue: "bybit", symbol: "BTC/USDT:USDT", liquidation_feed: feed({ kind: "complete", heard_share_24h: 1 }) },
    { venue: "binance", symbol: "BTC/USDT:USDT", liquidation_feed: feed() },
    { venue: "hyperliquid", symbol: "BTC/USDC:USDC", liquidation_feed: none },
    { venue: "okx", symbol: "BTC/USDT:USDT", liquidation_feed: null },
    { venue: "old", symbol: "BTC/USDT:USDT" },
  ];
  const summary = heardSummary(told, T0);
  assert.equal(plain(summary?.text ?? ""), "heard 97.0 % of 24 h");
  assert.deepEqual(plain(summary?.title ?? "").split("\n").slice(1), [
    "bybit BTC/USDT:USDT: liquidations heard 100 % of 24 h",
    "binance BTC/USDT:USDT: liquidations heard 97.0 % of 24 h; throttled to the largest per second",
    "hyperliquid BTC/USDC:USDC: no public feed of liquidations",
  ]);
  assert.equal(heardSummary(told.slice(3), T0), null);
  assert.equal(heardSummary(told.slice(2), T0)?.text, "no liquidation feed");
});

const member = (change: Partial<Member> = {}): Member => ({
  venue: "okx",
  symbol: "BTC/USDT:USDT",
  state: "live",
  open_interest_usd: 1,
  stream_age_ms: {},
  mark_price_kind: "reported",
  coverage_share: 1,
  interrupted_streams: [],
  ...change,
});

function situation(phase: Phase, change: Partial<Situation> = {}, provenance: Partial<Provenance> = {}): Situation {
  return {
    apiReachable: true,
    streamOpen: true,
    streamState: "ok",
    serverNowMs: T0 + 800,
    silentMs: 800,
    alarm: null,
    grid: {
      phase,
      eventTimeMs: T0,
      validUntilMs: T0 + 5_000,
      cadenceMs: 1_000,
      provenance: {
        members: [member()],
        estimated_share: 1,
        measured_share: 0,
        reported_share: null,
        coverage_share: 1,
        model_version: "1",
        history_lost: false,
        incomplete: false,
        rejected_events: 0,
        ...provenance,
      },
    },
    ...change,
  };
}

const kinds = (given: Situation): string[] => judge(given).notices.map((notice) => notice.kind);

test("fresh live data is LIVE with its age, and nothing else is", () => {
  assert.deepEqual(kinds(situation("live")), ["live"]);
  assert.equal(plain(judge(situation("live")).detail), "0.8 s");
  for (const phase of ["backfill", "replay", "simulated"] as const) assert.deepEqual(kinds(situation(phase)), [phase]);
});

test("live data past its validity is stale and fades, whoever says so", () => {
  const late = situation("live", { serverNowMs: T0 + 5_001 });
  assert.deepEqual(kinds(late), ["stale"]);
  assert.equal(judge(late).faded, true);
  assert.match(judge(late).notices[0].sentence, /2026-11-23 16:00:05 UTC/);
  assert.deepEqual(kinds(situation("live", { streamState: "stale" })), ["stale"]);
});

test("a replay of last year is not stale, and shows the time of its data", () => {
  const replay = situation("replay", { serverNowMs: T0 + 365 * 86_400_000, streamState: "stale", silentMs: 60_000 });
  assert.deepEqual(kinds(replay), ["replay"]);
  assert.equal(judge(replay).detail, "2026-11-23 16:00:05 UTC, standing still");
  assert.equal(judge(replay).faded, false);
});

test("a simulator that fell silent is stale, and still called simulated", () => {
  assert.deepEqual(kinds(situation("simulated", { silentMs: 20_000 })), ["stale", "simulated"]);
});

test("an incomplete map is partial and says why", () => {
  const partial = situation("live", {}, { incomplete: true, members: [member({ interrupted_streams: ["trades"] })] });
  assert.deepEqual(kinds(partial), ["partial"]);
  assert.match(judge(partial).notices[0].sentence, /okx lacks trades/);
  assert.deepEqual(kinds(situation("replay", {}, { history_lost: true })), ["replay", "partial"]);
});

test("a record that warns is never called LIVE, and comes after what is graver", () => {
  assert.deepEqual(kinds(situation("live", { alarm: "It did badly." })), ["doubt"]);
  assert.deepEqual(kinds(situation("simulated", { alarm: "It did badly." }, { incomplete: true })), ["simulated", "partial", "doubt"]);
  assert.match(judge(situation("live", { alarm: "It did badly." })).notices[0].sentence, /It did badly/);
});

test("one venue that still loads its history makes it backfilling", () => {
  const loading = situation("live", {}, { members: [member(), member({ venue: "bybit", state: "backfilling" })] });
  assert.deepEqual(kinds(loading), ["backfill"]);
  assert.match(judge(loading).notices[0].sentence, /of bybit/);
});

test("an api that is away comes first and fades the map", () => {
  const away = situation("replay", { apiReachable: false });
  assert.deepEqual(kinds(away), ["away", "replay"]);
  assert.match(judge(away).notices[0].sentence, /^Cannot reach the api, retrying\./);
  assert.equal(judge(away).faded, true);
  assert.deepEqual(kinds({ ...away, grid: null }), ["away"]);
});

test("what is not there is said in words", () => {
  const facts = { apiReachable: true, coins: ["BTC"], coin: "BTC", scope: "aggregated", hasGrid: false, hasColumns: false, loading: false };
  assert.equal(emptySentence({ ...facts, apiReachable: false }), "Cannot reach the api, retrying.");
  assert.match(emptySentence({ ...facts, coins: [] })!, /^No coin yet/);
  assert.match(emptySentence({ ...facts, coin: "DOGE" })!, /no map of DOGE/);
  assert.match(emptySentence(facts)!, /No map of BTC in the scope aggregated yet/);
  assert.equal(emptySentence({ ...facts, hasGrid: true }), null);
});

test("a young history says when the next column closes", () => {
  const hint = youngHistoryHint("4h", 0, T0)!;
  assert.match(plain(hint.sentence), /No closed 4h column yet: the first closes at 23 Nov 20:00 UTC, in 4 h/);
  assert.equal(hint.shorter, "15m");
  assert.match(youngHistoryHint("1h", 1, T0)!.sentence, /Only 1 closed 1h column so far/);
  assert.equal(youngHistoryHint("1h", 200, T0), null);
});
