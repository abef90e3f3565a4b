"""Durable jobs on DBOS: a client that queues them in a transaction, a worker that runs them."""

from onrecord.jobs.client import JobClient, prepare
from onrecord.jobs.moving import Moving
from onrecord.jobs.transcribing import Transcribing
from onrecord.jobs.worker import Worker

__all__ = ["JobClient", "Moving", "Transcribing", "Worker", "prepare"]
