"""The local cluster's one node: its files, certificates, network and daemons, from nothing to gone."""
