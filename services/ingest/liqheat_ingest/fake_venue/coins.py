"""Up to 200 coins of the fake venues: round figures near those of large perpetuals, the tail invented."""

from __future__ import annotations

from math import floor, log10

from liqheat_ingest.market_simulation.profiles import COINS, CoinProfile

#: Coin and a price of the right size, most traded first. What COINS knows is taken from there.
_PRICES: tuple[tuple[str, float], ...] = (
    ("BTC", 97_000.0), ("ETH", 3_400.0), ("SOL", 190.0), ("XRP", 2.3), ("DOGE", 0.24), ("PEPE", 0.000012),
    ("AVAX", 28.0), ("LINK", 17.0), ("ADA", 0.72), ("SHIB", 0.000014), ("BNB", 640.0), ("SUI", 3.4), ("LTC", 95.0),
    ("BONK", 0.000021), ("TON", 3.1), ("NEAR", 2.9), ("DOT", 4.3), ("AAVE", 260.0), ("BCH", 480.0), ("UNI", 8.6),
    ("ARB", 0.42), ("OP", 0.81), ("APT", 5.2), ("FIL", 2.7), ("ATOM", 4.6), ("INJ", 13.0), ("TIA", 2.2),
    ("WIF", 0.88), ("FLOKI", 0.00009), ("HBAR", 0.19), ("ETC", 18.0), ("XLM", 0.29), ("ICP", 5.4), ("TRX", 0.27),
    ("SEI", 0.21), ("JUP", 0.55), ("ENA", 0.38), ("LDO", 1.1), ("CRV", 0.66), ("ONDO", 0.92), ("WLD", 1.05),
    ("PENDLE", 4.1), ("ORDI", 9.5), ("GALA", 0.017), ("SAND", 0.28), ("ALGO", 0.22), ("STRK", 0.13), ("DYDX", 0.62),
    ("RUNE", 1.5), ("LUNC", 0.00006),
)  # fmt: skip
_TAIL = (
    "1INCH AXS APE ANKR ARKM AR AEVO ALT AXL ACE BLUR BAND BAT BICO BIGTIME BAL BNT BLZ CAKE CELO CFX CHZ CKB COMP "
    "COTI CHR CYBER CTSI DASH DENT DODO DUSK DYM EDU EGLD EIGEN ENJ ENS ETHFI ETHW FET FLOW FLM FXS GAS GLM GMT GMX "
    "GRT GTC HFT HIFI HIGH HOOK HOT ID ILV IMX IOST IOTA IOTX JASMY JOE JTO KAS KAVA KDA KLAY KNC KSM LINA LIT LPT "
    "LQTY LRC LSK MAGIC MANA MANTA MASK MAV MAVIA MINA MNT MOVR MTL MYRO NEO NFP NKN NMR NOT NTRN OGN OM OMNI ONE ONG "
    "ONT PEOPLE PERP PHB PIXEL POL POLYX PORTAL POWR PYTH QNT QTUM RARE RDNT REEF REN REZ RIF RLC RON ROSE RPL RSR "
    "RVN SAGA SFP SKL SNX SPELL SSV STG STMX STORJ STX SUSHI SXP TAO THETA TLM TNSR TRB TRU TURBO TWT UMA USTC VANRY "
    "VET WAXP WOO XAI XEM XMR XTZ XVG XVS YFI YGG ZEC ZEN ZETA ZIL ZK ZRO ZRX"
)

MAX_COINS = 200


def coin_profiles(count: int, prints_scale: float = 1.0) -> list[CoinProfile]:
    """The first so many coins.

    Parameters
    ----------
    count : int
        1 to 200.
    prints_scale : float
        Factor of the number of trades, not of the volume.

    Raises
    ------
    ValueError
        Where the count is out of range.

    Examples
    --------
    >>> [profile.coin for profile in coin_profiles(3)]
    ['BTC', 'ETH', 'SOL']
    >>> len({profile.coin for profile in coin_profiles(200)})
    200
    """
    if not 1 <= count <= MAX_COINS:
        raise ValueError(f"the fake venues have 1 to {MAX_COINS} coins, not {count}")
    names = dict(_PRICES)
    for i, name in enumerate(_TAIL.split()):
        names.setdefault(name, float(f"{(0.05 * 1.07 ** (i * 31 % 97)):.3g}"))
    chosen = list(names.items())[:count]
    return [_profile(name, price, rank, prints_scale) for rank, (name, price) in enumerate(chosen, start=1)]


def _profile(name: str, price: float, rank: int, prints_scale: float) -> CoinProfile:
    known = COINS.get(name)
    if known is not None:
        return known._replace(prints_per_second=known.prints_per_second * prints_scale)
    tick_size = float(f"1e{floor(log10(price)) - 4}")
    lot_size = float(f"1e{round(log10(10.0 / price))}")
    open_interest = 2.0e9 / rank**1.1
    prints = max(0.2, 6.0 / rank**0.6) * prints_scale
    return CoinProfile(name, price, 0.9, open_interest, 2.5 * open_interest, lot_size, tick_size, prints)
