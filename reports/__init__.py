"""Reports in folders of static HTML: what a clean-up would do (`groups`), and what a delivery holds (`check`).

They are looked at from the disk: no network, no server, no script needed. What files are called is hostile text.
"""
