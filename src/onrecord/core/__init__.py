"""What every other package may lean on: clocks, ids, units, errors, settings, logs."""
