"""One retriever per view, their fusion, the way from passages to documents, and reranking."""
