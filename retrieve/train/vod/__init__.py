"""VOD: a retriever and a reader trained together by the Rényi variational bound (Liévin et al., arXiv 2210.06345).

`objective` is the mathematics, as functions of tensors; the other modules bring questions, passages and models to it.
"""
