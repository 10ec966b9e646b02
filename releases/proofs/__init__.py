"""What lets anybody check a release without us: digests of files and tensors, documents, signatures.

The algorithms and shapes are written up in docs/proofs.md. Nothing here writes rows but keep(); the writers are actions.
"""
