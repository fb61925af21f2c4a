"""What a loss of power may leave of a folder, by what record_writes.c noted of a process.

    disk = Disk("left-disk")                 # remembers the folder as it is: all of that is safe
    … a process with disk.environment(library) runs and ends …
    disk.read_log()
    disk.restore(Loss("none", chance))       # the folder is now what the disk may hold

What was synced is there. Of everything else any part may be missing: names in a folder that was not
synced, writes, parts of writes. The files keep their inodes, as they would."""

import os
import struct

EVENT = struct.Struct("<BBHIQQQ")
SECTOR, PAGE = 512, 4096
META_SIZE = 2 * PAGE  # of an LMDB file
PASSED_OVER = ("-lock", "/lock", ".sock", ".probe")  # as in record_writes.c


class Loss:
    """Which of the unsynced writes and names are there."""

    KINDS = ("none", "all", "meta only", "all but meta", "random", "sectors", "pages", "first",
             "last")

    def __init__(self, kind, chance):
        self.kind, self.chance = kind, chance
        self.share = chance.choice((0.1, 0.5, 0.9))

    def writes(self, pending):
        """The parts of the pending writes that are there: a list of (offset, bytes) or a length for
        each, in order."""
        cut = self.chance.randrange(len(pending) + 1)
        return [self.parts(write, i, cut) for i, write in enumerate(pending)]

    def parts(self, write, i, cut):
        meta = write.kind == "w" and write.offset < META_SIZE
        there = {"none": False, "all": True, "meta only": meta, "all but meta": not meta,
                 "first": i < cut, "last": i >= cut}.get(self.kind)
        if there is None and (self.kind == "random" or write.kind != "w"):
            there = self.chance.random() < self.share
        if there is not None:
            return [write.whole()] if there else []
        unit, parts, at = SECTOR if self.kind == "sectors" else PAGE, [], 0
        while at < len(write.data):
            size = min(unit - (write.offset + at) % unit, len(write.data) - at)
            if self.chance.random() < self.share:
                parts.append((write.offset + at, write.data[at:at + size]))
            at += size
        return parts

    def names(self, count):
        """How many of the unsynced changes of names are there: file systems keep their order."""
        return {"none": 0, "meta only": 0, "all": count}.get(self.kind,
                                                            self.chance.randrange(count + 1))


class Write:
    def __init__(self, number, kind, offset, data):
        self.number, self.kind, self.offset, self.data = number, kind, offset, data
        self.durable = False

    def whole(self):
        return self.offset, self.data


class File:
    def __init__(self, path=None):
        self.path = path  # of a copy of what it held when the recording began
        self.writes = []


def extents(file):
    """The parts of an open file that are no holes."""
    end, at = os.fstat(file).st_size, 0
    while at < end:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(file, start, os.SEEK_HOLE)
        yield start, os.pread(file, at - start, start)


def fill(path, source):
    """Gives a file, whose inode stays, what the other one holds."""
    with open(path, "r+b" if os.path.exists(path) else "wb") as target:
        target.truncate(0)
        if source:
            with open(source, "rb") as file:
                target.truncate(os.fstat(file.fileno()).st_size)
                for at, data in extents(file.fileno()):
                    os.pwrite(target.fileno(), data, at)


def difference(path, other):
    """Where two files begin to differ, or None."""
    with open(path, "rb") as a, open(other, "rb") as b:
        sizes = os.fstat(a.fileno()).st_size, os.fstat(b.fileno()).st_size
        for file, opposite in ((a, b), (b, a)):
            for start, data in extents(file.fileno()):
                other_data = os.pread(opposite.fileno(), len(data), start).ljust(len(data), b"\0")
                if data != other_data:
                    return start + next(i for i in range(len(data)) if data[i] != other_data[i])
        return None if sizes[0] == sizes[1] else sizes


class Snapshot:
    """What a folder holds, to be put back into the same files."""

    def __init__(self, folder, copies):
        self.folder, self.files, self.folders = folder, {}, []
        os.makedirs(copies, exist_ok=True)
        for root, folders, names in os.walk(folder):
            self.folders += [os.path.join(root, name) for name in folders]
            for name in names:
                path = os.path.join(root, name)
                if path.endswith(PASSED_OVER):
                    continue
                self.files[path] = os.path.join(copies, str(len(self.files)))
                fill(self.files[path], path)

    def restore(self):
        for path, copy in self.files.items():
            fill(path, copy)


class Disk:
    def __init__(self, folder, log):
        self.folder, self.log = os.path.realpath(folder), os.path.abspath(log)
        self.begin()

    def begin(self):
        """From here on; what is in the folder now is on the disk."""
        if os.path.exists(self.log):
            os.unlink(self.log)
        self.start = Snapshot(self.folder, self.log + ".start")
        self.files = {os.stat(path).st_ino: File(copy) for path, copy in self.start.files.items()}
        # Folders: inode → the changes of its names, and how many of them are synced.
        self.folders = {os.stat(path).st_ino: [] for path in [self.folder, *self.start.folders]}
        self.synced = dict.fromkeys(self.folders, 0)
        self.names = {self.inode(path): {} for path in [self.folder, *self.start.folders]}
        for path in [*self.start.folders, *self.start.files]:
            self.names[self.inode(os.path.dirname(path))][os.path.basename(path)] = self.inode(path)
        self.counts, self.problems = {}, []

    @staticmethod
    def inode(path):
        return os.stat(path).st_ino

    def environment(self, library, kill=None):
        """For a wrapper: env NAME=VALUE …"""
        return ["env", f"LD_PRELOAD={library}", f"RECORD_FOLDER={self.folder}",
                f"RECORD_LOG={self.log}", *([f"RECORD_KILL={kill}"] if kill else [])]

    # Reading the log ---------------------------------------------------------------------------

    def events(self):
        with open(self.log, "rb") as file:
            while len(head := file.read(EVENT.size)) == EVENT.size:
                kind, flag, _, size, inode, other, offset = EVENT.unpack(head)
                yield chr(kind), flag, inode, other, offset, file.read(size)

    def read_log(self, lying=False):
        """`lying`: as if the disk said that it had synced, and had not."""
        begun, pending = {}, {}
        for number, (kind, flag, inode, other, offset, data) in enumerate(self.events()):
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind in "wt":
                if inode not in self.files:
                    self.problems.append(f"event {number} is about an unknown file")
                    continue
                write = Write(number, kind, offset, data)
                self.files[inode].writes.append(write)
                pending.setdefault(inode, []).append(write)
                begun[number] = "write", inode, write
            elif kind == "s":
                begun[number] = ("sync", inode, list(pending.get(inode, ())),
                                 len(self.folders.get(inode, ())))
            elif kind == "e" and not lying:
                self.ended(begun[other], pending)
            elif kind == "x":
                self.problems.append("a file is written to in memory")
            elif kind in "crlu":
                self.name_changed(kind, flag, inode, other, data)
        self.unsynced = sum(not write.durable for file in self.files.values()
                            for write in file.writes)

    def ended(self, what, pending):
        if what[0] == "write":
            what[2].durable = True
        else:
            for write in what[2]:
                write.durable = True
            if what[1] in self.synced:
                self.synced[what[1]] = max(self.synced[what[1]], what[3])
        pending[what[1]] = [write for write in pending.get(what[1], ()) if not write.durable]

    def name_changed(self, kind, flag, folder, other, data):
        names = data.decode().split("\0")
        if kind == "c":
            self.folders[folder].append(("set", names[0], other))
            if flag:
                self.folders[other], self.synced[other], self.names[other] = [], 0, {}
            else:
                self.files[other] = File()
        elif kind == "u":
            self.folders[folder].append(("drop", names[0]))
        else:
            if other != folder:
                self.problems.append("a name goes from one folder to another")
            self.folders[folder].append((kind, *names))

    # Restoring ---------------------------------------------------------------------------------

    def tree(self, folder, path, loss):
        """Path → inode of the files below, and a set of the folders."""
        names = dict(self.names[folder])
        changes, safe = self.folders[folder], self.synced[folder]
        there = safe + (loss.names(len(changes) - safe) if len(changes) > safe else 0)
        for change in changes[:there]:
            if change[0] == "set":
                names[change[1]] = change[2]
            elif change[0] == "drop":
                names.pop(change[1], None)
            elif change[1] in names:  # else it was made behind our back
                names[change[2]] = names[change[1]]
                if change[0] == "r":
                    del names[change[1]]
        files, folders = {}, {path}
        for name, inode in names.items():
            below = os.path.join(path, name)
            if inode in self.folders:
                more_files, more_folders = self.tree(inode, below, loss)
                files.update(more_files)
                folders |= more_folders
            elif not below.endswith(PASSED_OVER):
                files[below] = inode
        return files, folders

    def content(self, inode, loss, path):
        """Writes what the file holds into the one at this path."""
        file = self.files[inode]
        fill(path, file.path)
        pending = [write for write in file.writes if not write.durable]
        chosen = dict(zip((write.number for write in pending), loss.writes(pending)))
        with open(path, "r+b") as target:
            for write in file.writes:
                parts = [write.whole()] if write.durable else chosen[write.number]
                for offset, data in parts:
                    if write.kind == "t":
                        target.truncate(offset)
                    else:
                        os.pwrite(target.fileno(), data, offset)

    def restore(self, loss):
        """Makes the folder what the disk may hold after this loss."""
        files, folders = self.tree(self.inode(self.folder), self.folder, loss)
        found = {}
        for root, below, names in os.walk(self.folder, topdown=False):
            for name in names:
                path = os.path.join(root, name)
                if os.path.isfile(path) and self.inode(path) in files.values():
                    inode = self.inode(path)
                    found[inode] = f"{self.log}.{inode}"
                    os.replace(path, found[inode])
                else:
                    os.unlink(path)
            for name in below:
                if os.path.join(root, name) not in folders:
                    os.rmdir(os.path.join(root, name))
        for folder in sorted(folders):
            os.makedirs(folder, 0o700, exist_ok=True)
        for path, inode in files.items():
            if inode in found:  # two names of one file become two files: nobody writes to both
                os.replace(found.pop(inode), path)
            self.content(inode, loss, path)
            os.chmod(path, 0o600)

    def agrees(self, copies):
        """With nothing lost, what was noted leads to just what is there; else the reason."""
        actual = Snapshot(self.folder, copies)
        files, _ = self.tree(self.inode(self.folder), self.folder, Loss("all", _Never()))
        if set(files) != set(actual.files):
            return f"names differ: {sorted(files)} and {sorted(actual.files)}"
        for path, inode in files.items():
            self.content(inode, Loss("all", _Never()), copies + "/all")
            at = difference(copies + "/all", actual.files[path])
            if at is not None:
                return f"{path} differs at {at}"
        return None


class _Never:
    """Chance where nothing is left to it."""

    def choice(self, of):
        return of[0]

    def randrange(self, below):
        return 0
