"""The archives of label maps that VOC's test server takes."""
