"""``netgen upgrade``."""

from __future__ import annotations

from netgen.upgrade_command import upgrade_command as run

__all__ = ["run"]
