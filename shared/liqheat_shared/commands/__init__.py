"""The commands of ``liqheat`` that belong to no service."""
