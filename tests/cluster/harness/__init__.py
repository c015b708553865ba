"""A real Kubernetes for the tests, by the first of these that there is.

1. the context that FLOWERBED_TEST_CONTEXT names;
2. kind, where Docker runs;
3. a cluster built here: Kubernetes, etcd, CoreDNS and kube-network-policies from pinned Go modules,
   containerd and runc from Debian, in network namespaces, cgroups and folders of its own.

`choice` picks, `cluster` is what tests hold, `supervisor` is the process that runs a built one and ends
it when its owner is gone, `leftovers` removes what a killed one left. See docs/contributing/cluster-tests.md.
"""
