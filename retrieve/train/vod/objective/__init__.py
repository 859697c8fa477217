"""The bound, its estimator, the sampler and the multiple-choice factorisation: tensors in, tensors out."""
