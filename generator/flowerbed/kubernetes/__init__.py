"""A declared federation on Kubernetes: put there, compared with, looked at, removed.

node_keys   which keys of nodes are declared, and which are revoked
network     the gateway's certificates and the SuperLink's nodes, asked over the network
diagnosis   causes and remedies of what is not as it should be
verbs       apply, diff, status, doctor, uninstall
"""
