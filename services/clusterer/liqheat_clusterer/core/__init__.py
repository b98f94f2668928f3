"""The pure clusterer: maps in, clusters and magnets out."""
