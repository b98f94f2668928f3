"""The record of the map as the api shows it: what was forecast, what came true, and how the baselines did."""
