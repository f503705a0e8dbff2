"""A hard link to the keeper in a copy's place, in one step: link and copy change places, the copy goes aside."""

import errno
import os

from cleaning import linux
from cleaning.moving import copy_to, differences, has_bytes, is_file
from cleaning.places import Entry, Inode, Refused
from cleaning.records import Facts, Kept
from cleaning.seen import Seen, opened


def link_instead(keeper: Seen, copy: Seen, stash: Entry) -> None:
    """`stash`, where nothing is, becomes the copy. Raises Refused, OSError."""
    source = f"/proc/self/fd/{keeper.fd}"  # the file that was read, whatever has its name by now
    os.link(source, stash.name, dst_dir_fd=stash.folder.fd, follow_symlinks=True)
    try:
        _exchange(stash, copy.entry)
        if stash.inode() != copy.inode:
            _exchange(stash, copy.entry)
            raise Refused(f"{copy.entry.path} was changed while it was linked, and was put back")
    except BaseException:
        if stash.inode() == keeper.inode:
            stash.unlink()
        raise


def unlink_again(stash: Entry, entry: Entry, was: Facts, keeper: Kept) -> str:
    """From wherever it was left. Gives what could not be put back, in words. Raises Refused, OSError."""
    aside, here = stash.inode(), entry.inode()
    if aside == keeper.inode or (aside is None and here == was.inode):
        return _drop_link(stash, entry, was)
    if here is None and aside is not None:
        linux.move(stash.folder.fd, stash.name, entry.folder.fd, entry.name)
        return differences(entry, was)
    if here != keeper.inode:
        left = f"; the file stays in {stash.path}" if aside else ", and the quarantine holds it no more"
        raise Refused(f"{entry.path}: something new stands there{left}")
    if aside is None:
        _make_again(stash, entry, was)
    return _put_back(stash, entry, was, keeper.inode)


def _put_back(stash: Entry, entry: Entry, was: Facts, link: Inode) -> str:
    found = entry.stat()
    if found is None or (found.st_nlink < 2 and not has_bytes(entry, was)):
        raise Refused(f"{entry.path}: something new stands there; the file stays in {stash.path}")
    _exchange(stash, entry)
    if stash.inode() != link:
        _exchange(stash, entry)
        raise Refused(f"{entry.path} was changed while it was put back; the file stays in {stash.path}")
    stash.unlink()
    return differences(entry, was)


def _drop_link(stash: Entry, entry: Entry, was: Facts) -> str:
    """The copy is in its place; of the link only the name beside is left, if that."""
    if not is_file(entry, was):
        raise Refused(f"{entry.path}: something new stands there; its keeper's bytes are in {stash.path}, too")
    if stash.stat():
        stash.unlink()
    return ""


def _make_again(stash: Entry, entry: Entry, was: Facts) -> None:
    """The quarantine was emptied: the link has the same bytes, unless somebody wrote to them."""
    if not has_bytes(entry, was):
        raise Refused(f"{entry.path} was changed since, and the quarantine holds the file no more")
    fd = opened(entry)
    try:
        copy_to(fd, stash, was)
    finally:
        os.close(fd)


def _exchange(one: Entry, other: Entry) -> None:
    try:
        linux.rename(one.folder.fd, one.name, other.folder.fd, other.name, linux.EXCHANGE)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        raise Refused(f"{other.path}: its file system cannot let two names change places") from None
