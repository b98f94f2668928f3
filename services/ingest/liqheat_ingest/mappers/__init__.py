"""Pure mappers: a raw message of a venue in, contracts out."""
