"""A declared federation on Kubernetes: put there, compared with, looked at.

programs    helm and kubectl: found, called, their failures as Flowerbed's errors
parties     the plan's releases: chart, namespaces, context, bundle, and each command about them
objects     what kubectl tells of workloads, pods and events, typed
facts       why a workload or pod is not ready, in Kubernetes' and Flower's own words
symptoms    the list of known causes and remedies; `docs/troubleshooting.md` shows it
diagnosis   facts into findings: what, where, cause, remedy
releases    Helm's side: revision and status, what an upgrade would change, a release that hangs
apply, diff, status, doctor    the verbs
endpoints, superlink           the gateway's certificates and the SuperLink's nodes, asked over the network
"""
