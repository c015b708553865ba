"""Why something is not as it should be: what a cluster tells, and the causes and remedies behind it.

facts       why a workload or pod is not ready, in Kubernetes' and Flower's own words
symptoms    the list of known causes and remedies; `docs/reference/troubleshooting.md` shows it
findings    facts into findings: what, where, cause, remedy
cluster_checks, issuer_check    what `doctor` checks in a cluster
drift, certificate_expiry       lists and certificates that differ from the bundles or expire
federation_status   what `status` prints
"""
