"""The running room: threads, time, config, console. It knows core and nothing beside it."""
