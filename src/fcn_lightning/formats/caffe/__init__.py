"""Caffe's files, read and written without Caffe."""
