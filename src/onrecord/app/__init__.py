"""The composition root: settings to a running system, in a control process and its children."""
