"""Images: declared dependencies, locked with hashes, built once, named by digest.

plan -> inputs -> lock -> content hash -> wheels -> builder -> registry -> images.lock.yaml -> values

`builders` runs on this machine; `cluster_builder` runs the Job of `cluster_job` in a cluster.
`images_lock` and `reference` are read by the declaration; the rest is for `flowerbed build` and
`flowerbed up`.
"""
