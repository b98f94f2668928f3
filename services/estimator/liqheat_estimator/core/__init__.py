"""The pure estimator: state and event in, state and outputs out."""
