"""One run: its configuration, identity, folder, record, training and evaluation."""
