"""The Caffe schema: `caffe.proto` (ours, a superset of the forks) and the modules generated from it."""
