"""The papers' tables: what they hold (experiments/*.yaml), and our scores beside their numbers."""
