"""A declared federation on Kubernetes: put there, compared with, looked at, removed.

programs    helm and kubectl: found, called, their failures as Flowerbed's errors
party       the plan's releases: chart, namespaces, context, bundle
session     a party's cluster: each command about it, and its runs
objects     what kubectl tells of workloads, pods and events, typed
release     Helm's side: revision and status, what an upgrade would change, a release that hangs
node_keys   which keys of nodes are declared, and which are revoked
network     the gateway's certificates and the SuperLink's nodes, asked over the network
diagnosis   causes and remedies of what is not as it should be
verbs       apply, diff, status, doctor, uninstall
"""
