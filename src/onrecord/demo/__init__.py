"""The demo: two phones hold a recorded conversation through a running server, over its public API."""
