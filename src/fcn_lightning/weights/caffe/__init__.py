"""Caffe's files in and out, without Caffe."""
