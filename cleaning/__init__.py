"""Cleaning a disk: what copies there are in folders, a plan of which to remove, and carrying it out, or taking it back.

`finding` makes a Plan and changes nothing; a Plan is a file that people can read, and cut; `acting` does what it says.
"""
