"""NASA's archive: search in CMR, fetch from ASF."""
