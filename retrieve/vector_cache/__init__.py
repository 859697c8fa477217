"""What was encoded once on this machine: passage vectors, found by the exact text and all else that shapes them."""
