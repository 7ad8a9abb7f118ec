"""Publish an output tree to object storage or a folder: configuration section ``publish``, tool ``upload``."""
