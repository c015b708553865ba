"""Why something is not as it should be: what a cluster tells, and the causes and remedies behind it.

facts       why a workload or pod is not ready, in Kubernetes' and Flower's own words
findings    facts into findings: what, where, cause, remedy
symptoms.toml       the known causes and remedies; `docs/reference/troubleshooting.md` shows them
cluster_checks      what `doctor` checks in a cluster
bundle_checks       lists and certificates that differ from the bundles or expire
federation_status   what `status` prints
"""
