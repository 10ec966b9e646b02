"""The class of the Model Openness Framework, computed from what a release holds and under which licences (docs/openness.md).

components.py has the framework's list, classes.py the computation, both plain; found.py looks into a revision, and into the
entry of a family that is hosted elsewhere.
"""
