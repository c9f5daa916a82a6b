"""The report: one HTML page of all tables and runs, made from the records alone."""
