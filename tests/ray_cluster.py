"""A Ray cluster of two nodes with one core each; prints its address, removes a node at each line, ends at the end."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(node, allow_graceful=False)
        print("removed", flush=True)
    cluster.shutdown()
