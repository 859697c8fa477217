"""Arrays to rows and scores: sorted strings, postings, flat vectors, FAISS, and the choice of the best rows.

Nothing here knows documents, files or encoders. Each structure gives its arrays to whoever stores them and is made
again from read-only, possibly memory-mapped, arrays.
"""
