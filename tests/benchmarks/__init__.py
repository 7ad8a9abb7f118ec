"""What `make bench` measures: the pipeline, its kernels beside plain libraries, and accuracy on a known truth."""
