"""The commands: `fcn-train`, and `fcn` for all others."""
