"""What is asked over the network: the gateway's certificates, the SuperLink's nodes, who is admitted."""
