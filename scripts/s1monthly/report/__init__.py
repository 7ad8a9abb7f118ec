"""The report: web pages of an output tree, for any browser, without a server or the network."""
