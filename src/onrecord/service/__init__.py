"""The use cases: each checks, changes state, and writes state, jobs and events in one transaction.

Adapters (database, media, signalling, webhooks, storage, mastering) are reached through the protocols
of :mod:`onrecord.service.ports` only.
"""
