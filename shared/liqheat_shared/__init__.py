"""What every liqheat service shares: the contracts, Kafka plumbing, settings, metrics and the local stack."""
