"""What somebody must look after: worked out from state anew, listed, and told."""
