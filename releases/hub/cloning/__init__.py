"""`git clone` of what is published: git's smart protocol, version 0, for reading alone.

No repository lies anywhere. Revisions are named as git names commits, so what git asks for is put together from their rows:
commits, trees, small files, and of large files the pointers, which git-lfs follows by the batch API.
"""
