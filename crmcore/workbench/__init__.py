"""The workbench: where rows, figures and policies are checked against each other.

`reconciling` accounts for rows, `checking` finds what is wrong in a policy, `testing` runs its
tests, `diffing` compares two policies.
"""
