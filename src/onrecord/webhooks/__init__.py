"""Webhooks: signing, sending one attempt, and the rules for the next."""

from onrecord.webhooks.policy import NextTry, Verdict, next_try, url_for, verdict
from onrecord.webhooks.sender import HttpSender
from onrecord.webhooks.signing import Signer

__all__ = ["HttpSender", "NextTry", "Signer", "Verdict", "next_try", "url_for", "verdict"]
