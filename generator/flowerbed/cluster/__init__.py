"""The clusters of a declared federation, reached by helm and kubectl; nothing here decides what to do there.

programs    helm and kubectl: found, called, their failures as Flowerbed's errors
party       the plan's releases: chart, namespaces, context, bundle
session     a party's cluster: each command about it, and its runs
objects     what kubectl tells of workloads, pods and events, typed
release     Helm's side: revision and status, a release that hangs
"""
