#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# crash-states.py - what a loss of power may leave of a directory, from one log
# of strace
#
# usage: crash-states.py order LOG ROOT BEFORE
#        crash-states.py states LOG ROOT BEFORE WORK SEED RANDOM
#
# LOG: strace -f -y -xx -s 99999999 of a run that wrote below ROOT (absolute);
# BEFORE: a copy of ROOT as it was then, all of it durable.
#
# The model is the least that POSIX promises.  Written data is durable after
# fsync of the file, a name after fsync of its directory; until then each write,
# and each change of a name, is there or not, whatever became of the others.  (A
# rename is one change.  A file may have its length and zeroes instead of data.)
#
# order   Prints what breaks the rules: no file gets its name before its data is
#         durable; the manifest gets its name when all else is durable; nothing
#         is named before the intent is durable; at the end nothing is pending.
#         Status 1 if there is any.
# states  Makes each different directory that can be left, and judges it as the
#         set ROOT/set: every point that is there restores to WORK/truth.<point>.
#         <disk>, and verify says so; without any point it says that too; points
#         that were there before are there.  For every call of the run: nothing
#         of what was pending, all, each prefix, each alone, all but each,
#         lengths without data, and RANDOM random choices.  WORK/keep/<n> are one
#         of each shape, for further runs.  Status 1 if one is wrong.
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys

CALL = re.compile(r"(?:(\d+) +)?([a-z0-9_]+)\((.*)\) += (-?\d+)(.*)$", re.S)
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
IGNORED = re.compile(r"backup\..*\.log$|\..*\.lock$")


def text(s):
    return bytes.fromhex(s.replace("\\x", ""))


class Inode:
    def __init__(self, directory, data=b""):
        self.directory = directory
        self.names = {} if directory else None  # durable ones
        self.now = {} if directory else None    # as the run sees them
        self.data = data                        # durable contents
        self.at = 0                             # where write() goes
        self.ignored = False


class Op:
    """One change that is not durable yet."""

    def __init__(self, inode, what, kind, **rest):
        self.inode, self.what, self.kind = inode, what, kind
        self.__dict__.update(rest)


def apply_data(data, op, zeroes=False):
    if op.kind == "truncate":
        return data[:op.size] + bytes(max(0, op.size - len(data)))
    end = op.offset + len(op.data)
    data = data + bytes(max(0, end - len(data)))
    if zeroes:
        return data
    return data[:op.offset] + op.data + data[end:]


class Disk:
    """Everything below ROOT, and what of it is durable."""

    def __init__(self, root, before=None):
        self.root = os.fsencode(root.rstrip("/"))
        self.top = self.load(before) if before else Inode(True)
        self.pending = []
        self.wrong = []
        self.intent_seen = False

    def load(self, path):
        if os.path.isdir(path):
            inode = Inode(True)
            for name in os.listdir(path):
                child = self.load(os.path.join(path, name))
                child.ignored = bool(IGNORED.search(name))
                inode.names[os.fsencode(name)] = child
            inode.now = dict(inode.names)
            return inode
        with open(path, "rb") as f:
            return Inode(False, f.read())

    # Finding things.

    def walk(self, path):
        """(directory, name) of a path, or None if it is not below ROOT."""
        path = os.path.normpath(path)
        if not path.startswith(self.root + b"/"):
            return None
        at = self.top
        parts = path[len(self.root) + 1:].split(b"/")
        for part in parts[:-1]:
            at = at.now.get(part)
            if at is None or not at.directory:
                return None
        return at, parts[-1]

    def find(self, path):
        if os.path.normpath(path) == self.root:
            return self.top
        place = self.walk(path)
        return place and place[0].now.get(place[1])

    # What changes it.

    def name(self, what, changes):
        """`changes`: of (directory, name, inode or None), all or nothing."""
        for directory, name, inode in changes:
            if inode is None:
                directory.now.pop(name, None)
            else:
                directory.now[name] = inode
        if not any(c[2] and c[2].ignored for c in changes):
            self.pending.append(
                Op(changes[0][0], what, "name", changes=changes))

    def write(self, inode, what, **op):
        if not inode.ignored:
            self.pending.append(Op(inode, what, **op))

    def sync(self, inode):
        left = []
        for op in self.pending:
            if op.inode is not inode:
                left.append(op)
            elif op.kind == "name":
                self.settle(op.changes)
            else:
                inode.data = apply_data(inode.data, op)
        self.pending = left

    @staticmethod
    def settle(changes):
        for directory, name, inode in changes:
            if inode is None:
                directory.names.pop(name, None)
            else:
                directory.names[name] = inode

    # The rules.

    def complain(self, text):
        self.wrong.append(text)

    def judge_name(self, name, inode):
        shown = os.fsdecode(name)
        if re.search(r"\.new-[0-9a-f]{16}$|^\.virtnbd", shown):
            return
        if any(op.inode is inode for op in self.pending):
            self.complain(f"{shown} gets its name before its data is durable")
        others = [op.what for op in self.pending
                  if not (op.kind == "name" and any(
                      b".new-" in n for _, n, _ in op.changes))]
        if shown.startswith("manifest.") and others:
            self.complain(f"{shown} gets its name before: {others}")
        if shown.startswith("intent."):
            self.intent_seen = True

    def judge_create(self, name):
        shown = os.fsdecode(name)
        if shown.endswith(".partial") and not (
                self.intent_seen and not any("intent." in op.what
                                             for op in self.pending)):
            self.complain(f"{shown} is made before the intent is durable")

    def judge_end(self):
        for op in self.pending:
            # A directory of the run's own may be there again; it is no point.
            if re.match(r"remove (\.publish|\.virtnbdrestore\..*)$", op.what):
                continue
            self.complain(f"the run ends before this is durable: {op.what}")


class Run:
    """Follows the calls of a log."""

    def __init__(self, disk):
        self.disk = disk

    @staticmethod
    def lines(log):
        unfinished = {}
        with open(log, encoding="latin-1") as f:
            for line in f:
                line = line.rstrip("\n")
                pid = line.split(" ", 1)[0]
                if line.endswith("<unfinished ...>"):
                    unfinished[pid] = line[:-len("<unfinished ...>")]
                    continue
                resumed = re.match(r"\d+ +<\.\.\. \w+ resumed>", line)
                if resumed:
                    if pid not in unfinished:
                        continue
                    line = unfinished.pop(pid) + line[resumed.end():]
                yield line

    def path(self, args, which=0):
        """The path that is the `which`-th string of `args`, made absolute."""
        strings = list(STRING.finditer(args))
        if len(strings) <= which:
            return b""
        s = strings[which]
        path = text(s[1])
        if path.startswith(b"/"):
            return path
        start = strings[which - 1].end() if which else 0
        at = re.search(r"<((?:\\x[0-9a-f]{2})+)>", args[start:s.start()])
        return os.path.join(text(at[1]) if at else b"/", path)

    def fd(self, args):
        m = re.match(r"(\d+)<", args)
        return self.disk.fds.get(int(m[1])) if m else None

    def do(self, line):
        """Follow one line; returns what changed, or None."""
        m = CALL.match(line)
        if not m or int(m[4]) < 0:
            return None
        handler = getattr(self, "do_" + m[2], None)
        return handler and handler(m[3], int(m[4]))

    def do_openat(self, args, _):
        d = self.disk
        path = self.path(args)
        place = d.walk(path)
        inode = d.find(path)
        if inode is None and "O_CREAT" in args and place:
            directory, name = place
            inode = Inode(False)
            inode.ignored = bool(IGNORED.search(os.fsdecode(name)))
            what = "create " + os.fsdecode(name)
            d.judge_create(name)
            d.name(what, [(directory, name, inode)])
            return what
        if inode and not inode.directory:
            inode.at = len(inode.data) if "O_APPEND" in args else 0
        if inode and "O_TRUNC" in args:
            what = "truncate " + os.fsdecode(path)
            d.write(inode, what, kind="truncate", size=0)
            return what
        return None

    do_openat2 = do_openat

    def do_open(self, args, fd):
        return self.do_openat(args, fd)

    def file(self, args):
        """What the descriptor that `args` begin with leads to: whoever has it,
        strace says its name."""
        m = re.match(r"\d+<((?:\\x[0-9a-f]{2})+)>", args)
        return self.disk.find(text(m[1])) if m else None

    def do_lseek(self, args, result):
        inode = self.file(args)
        if inode:
            inode.at = result

    def do_write(self, args, length):
        inode = self.file(args)
        if not inode or inode.directory:
            return None
        inode.at += length
        return self.put(inode, args, length, inode.at - length)

    def do_pwrite64(self, args, length):
        inode = self.file(args)
        if not inode:
            return None
        return self.put(inode, args, length, int(args.rsplit(", ", 1)[1]))

    def put(self, inode, args, length, offset):
        what = f"write {length} at {offset} of {self.shown(args)}"
        self.disk.write(inode, what, kind="write", offset=offset,
                        data=text(STRING.search(args)[1])[:length])
        return what

    @staticmethod
    def shown(args):
        m = re.match(r"\d+<((?:\\x[0-9a-f]{2})+)>", args)
        return os.fsdecode(os.path.basename(text(m[1]))) if m else "?"

    def do_ftruncate(self, args, _):
        inode = self.file(args)
        if not inode:
            return None
        what = "truncate " + self.shown(args)
        self.disk.write(inode, what, kind="truncate",
                        size=int(args.rsplit(", ", 1)[1]))
        return what

    def do_pwritev(self, args, _):
        """Of other programs: that they write is enough for the order."""
        inode = self.file(args)
        if not inode:
            return None
        what = "write to " + self.shown(args)
        self.disk.write(inode, what, kind="write", offset=0, data=b"")
        return what

    do_pwritev2 = do_writev = do_fallocate = do_pwritev

    def do_fsync(self, args, _):
        inode = self.file(args)
        if not inode:
            return None
        self.disk.sync(inode)
        return "fsync " + self.shown(args)

    do_fdatasync = do_fsync

    def move(self, args, keep):
        d = self.disk
        source, target = self.path(args, 0), self.path(args, 1)
        inode, place, old = d.find(source), d.walk(target), d.walk(source)
        if not inode or not place or not old:
            return None
        what = f"{'link' if keep else 'rename'} to {os.fsdecode(place[1])}"
        d.judge_name(place[1], inode)
        gone = [] if keep else [(*old, None)]
        d.name(what, [(*place, inode)] + gone)
        return what

    def do_rename(self, args, _):
        return self.move(args, False)

    do_renameat = do_renameat2 = do_rename

    def do_link(self, args, _):
        return self.move(args, True)

    do_linkat = do_link

    def do_unlink(self, args, _):
        d = self.disk
        path = self.path(args)
        place = d.walk(path)
        if not place or place[1] not in place[0].now:
            return None
        what = "remove " + os.fsdecode(place[1])
        d.name(what, [(*place, None)])
        return what

    do_unlinkat = do_rmdir = do_unlink

    def do_mkdir(self, args, _):
        d = self.disk
        place = d.walk(self.path(args))
        if not place:
            return None
        what = "mkdir " + os.fsdecode(place[1])
        d.name(what, [(*place, Inode(True))])
        return what

    do_mkdirat = do_mkdir


def contents(disk, kept, zeroes):
    """{path: bytes, or None for a directory} when of what is pending only
    `kept` was written; lengths without data for the ops in `zeroes`."""
    names, data = {}, {}

    def entries(inode):
        return names.setdefault(inode, dict(inode.names))

    for op in kept:
        if op.kind == "name":
            for directory, name, inode in op.changes:
                if inode is None:
                    entries(directory).pop(name, None)
                else:
                    entries(directory)[name] = inode
        else:
            data[op.inode] = apply_data(data.get(op.inode, op.inode.data), op,
                                        op in zeroes)
    tree = {}

    def collect(inode, path):
        for name, child in entries(inode).items():
            where = os.path.join(path, name)
            if child.ignored:
                continue
            if child.directory:
                tree[where] = None
                collect(child, where)
            else:
                tree[where] = data.get(child, child.data)

    collect(disk.top, b"")
    return tree


def choices(pending, rng, how_many):
    """(what to call it, what is kept, what has a length only)"""
    yield "nothing", [], ()
    yield "all", pending, ()
    for i in range(1, len(pending)):
        yield f"the first {i}", pending[:i], ()
    for i, op in enumerate(pending):
        yield f"only '{op.what}'", [op], ()
        yield f"all but '{op.what}'", pending[:i] + pending[i + 1:], ()
    data = {op for op in pending if op.kind == "write"}
    if data:
        yield "all names, no data", [op for op in pending
                                     if op.kind == "name"], ()
        yield "all, without the data", pending, data
    for _ in range(how_many if len(pending) > 2 else 0):
        kept = [op for op in pending if rng.random() < 0.5]
        yield (f"{len(kept)} of {len(pending)}", kept,
               {op for op in data if rng.random() < 0.2})


def store(tree, out):
    os.makedirs(out, mode=0o700)
    for path in sorted(tree):
        where = os.path.join(os.fsencode(out), path)
        if tree[path] is None:
            os.mkdir(where, 0o700)
        else:
            with open(os.open(where, os.O_WRONLY | os.O_CREAT, 0o600),
                      "wb") as f:
                f.write(tree[path])


def digest(tree):
    h = hashlib.sha256()
    for path in sorted(tree):
        data = tree[path]
        h.update(b"%s\0%s\0" % (path, b"-" if data is None
                                else hashlib.sha256(data).digest()))
    return h.digest()


def call(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def restores(where, work, point):
    """None, or what is wrong with this point of the set."""
    back = os.path.join(work, "back")
    shutil.rmtree(back, ignore_errors=True)
    r = call("virtnbdrestore", "-i", where, "-u", point, "-o", back, "-L",
             os.path.join(work, "log"))
    if r.returncode:
        return f"{point} is not restored: {r.stdout.decode()}"
    for disk in "ab":
        r = call("qemu-img", "compare", "-F", "raw",
                 f"{back}/{disk}.qcow2", f"{work}/truth.{point}.vd{disk}")
        if r.returncode:
            return f"{point}, vd{disk}: {r.stdout.decode()}"
    return None


def points_of(where):
    if not os.path.isdir(where):
        return set()
    return {name[len("manifest."):-len(".json")] for name in os.listdir(where)
            if re.match(r"manifest\..*\.json$", name)}


def judge(where, work, before, known):
    """None, or what is wrong with what was left of the set."""
    points = points_of(where)
    if before - points:
        return f"lost: {before - points}"
    r = call("virtnbdrestore", "-i", where, "-o", "verify", "-L",
             os.path.join(work, "log"))
    if (r.returncode == 0) != bool(points) or r.returncode not in (0, 1, 3):
        return f"points {points}, verify: {r.returncode} {r.stdout.decode()}"
    for point in points:
        # What a point is made of does not change while others come to exist.
        files = hashlib.sha256()
        for name in sorted(os.listdir(where)):
            if re.search(r"\.(data|index|json|xml)$", name) and \
                    not name.startswith("intent."):
                with open(os.path.join(where, name), "rb") as f:
                    files.update(name.encode() + f.read())
        key = (point, files.digest())
        if key not in known:
            known[key] = restores(where, work, point)
        if known[key]:
            return known[key]
    return None


def shape(tree, final):
    return tuple((re.sub(rb"[0-9a-f]{16,}", b"#", path),
                  tree[path] == final.get(path)) for path in sorted(tree))


def states(log, root, before, work, seed, how_many):
    final = Disk(root, before)
    run = Run(final)
    for line in run.lines(log):
        run.do(line)
    final = contents(final, final.pending, ())
    disk = Disk(root, before)
    run = Run(disk)
    rng = random.Random(seed)
    seen, shapes, known, considered, wrong = set(), set(), {}, 0, 0
    old_points = points_of(os.path.join(before, "set"))
    for line in run.lines(log):
        what = run.do(line)
        if what is None:
            continue
        for kept_what, kept, zeroes in choices(disk.pending, rng, how_many):
            considered += 1
            tree = contents(disk, kept, zeroes)
            key = digest(tree)
            if key in seen:
                continue
            seen.add(key)
            out = os.path.join(work, "state")
            shutil.rmtree(out, ignore_errors=True)
            store(tree, out)
            why = judge(os.path.join(out, "set"), work, old_points, known)
            if why:
                wrong += 1
                print(f"WRONG: crash after '{what}'; kept: {kept_what}: {why}")
                os.rename(out, os.path.join(work, f"wrong.{wrong}"))
            elif shape(tree, final) not in shapes:
                shapes.add(shape(tree, final))
                os.rename(out, os.path.join(work, "keep", str(len(shapes))))
    print(f"{considered} crash states, {len(seen)} different, "
          f"{len(shapes)} shapes, {len(known)} contents restored, "
          f"{wrong} wrong")
    return 1 if wrong or not shapes else 0


def order(log, root, before):
    disk = Disk(root, before)
    run = Run(disk)
    changes = sum(run.do(line) is not None for line in run.lines(log))
    disk.judge_end()
    for complaint in disk.wrong:
        print("WRONG:", complaint)
    print(f"{changes} changes, {len(disk.wrong)} out of order")
    return 1 if disk.wrong or not changes else 0


if sys.argv[1] == "order":
    sys.exit(order(*sys.argv[2:5]))
sys.exit(states(*sys.argv[2:6], sys.argv[6], int(sys.argv[7])))
