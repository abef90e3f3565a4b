"""The asyncio edge of ``sip``: sockets, one timer, name look-ups. It decides nothing about calls."""
