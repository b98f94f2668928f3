"""``liqheat backtest``: history through the same model, forecasts frozen at every step, scored against what came.

* ``files``    columns out of Binance Vision CSV files and hourly liquidation sums
* ``tape``     the history of a market by candle
* ``run``      drives a market through it and freezes forecasts
* ``output``   the forecasts as an .npz file
* ``scoring``  how much they add to what is known without a map
* ``report``   the same for people: Markdown and plots
"""
