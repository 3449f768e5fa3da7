"""The commands, a module each; imported when they are called."""

COMMANDS = {
    "list": "listing",
    "report": "report",
    "diff": "diff",
    "upgrade": "upgrade",
    "completion": "completion",
}
"""The module, here, whose ``run(words)`` a command is."""
