"""The commands, a module each; imported when they are called."""

COMMANDS = {
    "list": "listing",
    "report": "report",
    "diff": "diff",
    "lint": "lint",
    "sweep": "sweep",
    "upgrade": "upgrade",
    "weights": "weights",
    "check": "check",
    "run": "run",
    "detect": "detect",
    "compare": "compare",
    "fold": "fold",
    "import": "importing",
    "export": "exporting",
    "draw": "draw",
    "features": "features",
    "plot": "plot",
    "completion": "completion",
}
"""The module, here, whose ``run(words)`` a command is."""
