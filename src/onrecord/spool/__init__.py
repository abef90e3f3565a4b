"""The spool: one append-only file of facts per recording, from which its audio is made."""
