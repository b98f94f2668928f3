"""Closed heatmap columns as the projector stores them and the api reads them: compressed chunks, aligned in time."""
