"""Search defaults of an index, chosen on judged queries and kept if queries that had no part in the choice gain."""
