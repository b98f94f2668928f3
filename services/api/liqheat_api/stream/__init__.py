"""The event stream: one reader of Redis a process, a bounded mailbox a client."""
