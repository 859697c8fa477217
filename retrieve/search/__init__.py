"""Views' scores as pools, their fusion, the way from passages to documents, and reranking."""
