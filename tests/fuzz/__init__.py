"""Parsers of files that others wrote, fed with damaged ones."""
