//! Shows a `Medium` to the kernel as a file system. Only translation happens here.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::medium::{Kind, Medium, Refusal};

/// Everything that happens to the medium comes through this kernel, so it may remember what it saw.
const TTL: Duration = Duration::from_secs(3600);

/// Mounts the medium until the session is dropped. `cut` is told when the power goes.
pub(crate) fn mount(
    medium: &Arc<Mutex<Medium>>,
    at: &Path,
    cut: Sender<()>,
) -> std::io::Result<BackgroundSession> {
    fuser::spawn_mount(Mounted { medium: Arc::clone(medium), cut }, at, &Config::default())
}

struct Mounted {
    medium: Arc<Mutex<Medium>>,
    cut: Sender<()>,
}

impl Mounted {
    fn medium(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap()
    }

    /// Does something to the medium, and tells when that was the moment of the cut.
    fn change<T>(&self, change: impl FnOnce(&mut Medium) -> Result<T, Refusal>) -> Result<T, Errno> {
        let mut medium = self.medium();
        let result = change(&mut medium);
        if medium.is_dead() {
            let _ = self.cut.send(());
        }
        result.map_err(errno)
    }

    fn attributes(&self, node: u64) -> Result<FileAttr, Errno> {
        let (kind, size) = self.medium().kind(node).map_err(errno)?;
        let (kind, perm) = match kind {
            Kind::File => (FileType::RegularFile, 0o600),
            Kind::Directory => (FileType::Directory, 0o700),
        };
        let size = u64::try_from(size).unwrap();
        let time = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino: INodeNo(node),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn create_node(&self, parent: INodeNo, name: &OsStr, kind: Kind) -> Result<FileAttr, Errno> {
        let node = self.change(|medium| medium.create(parent.0, text(name), kind))?;
        self.attributes(node)
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let node = self.medium().lookup(parent.0, text(name)).map_err(errno);
        match node.and_then(|node| self.attributes(node)) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _: &Request, node: INodeNo, _: u64) {
        self.medium().forget(node.0);
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(node.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let resized = match size {
            Some(size) => self.change(|medium| medium.resize(node.0, usize::try_from(size).unwrap())),
            None => Ok(()),
        };
        match resized.and_then(|()| self.attributes(node.0)) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.create_node(parent, name, Kind::Directory) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.create_node(parent, name, Kind::File) {
            Ok(attributes) => {
                reply.created(&TTL, &attributes, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        finish(self.change(|medium| medium.remove(parent.0, text(name))), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        finish(self.change(|medium| medium.remove(parent.0, text(name))), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = ((parent.0, text(name)), (new_parent.0, text(new_name)));
        finish(self.change(|medium| medium.rename(from, to)), reply);
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let (offset, size) = (usize::try_from(offset).unwrap(), usize::try_from(size).unwrap());
        match self.medium().read(node.0, offset, size) {
            Ok(bytes) => reply.data(bytes),
            Err(refusal) => reply.error(errno(refusal)),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let offset = usize::try_from(offset).unwrap();
        match self.change(|medium| medium.write(node.0, offset, bytes)) {
            Ok(()) => reply.written(u32::try_from(bytes.len()).unwrap()),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        finish(self.change(|medium| medium.sync(node.0)), reply);
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        finish(self.change(|medium| medium.sync(node.0)), reply);
    }

    fn readdir(&self, _: &Request, node: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let names = match self.medium().list(node.0) {
            Ok(names) => names,
            Err(refusal) => return reply.error(errno(refusal)),
        };
        let offset = usize::try_from(offset).unwrap();
        for (count, (name, child)) in names.into_iter().enumerate().skip(offset) {
            let kind = match self.medium().kind(child) {
                Ok((Kind::Directory, _)) => FileType::Directory,
                _ => FileType::RegularFile,
            };
            if reply.add(INodeNo(child), u64::try_from(count).unwrap() + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (free, total) = self.medium().space();
        let blocks = |bytes: usize| u64::try_from(bytes / 4096).unwrap();
        reply.statfs(blocks(total), blocks(free), blocks(free), 0, 0, 4096, 255, 4096);
    }
}

fn finish(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::NotFound => Errno::ENOENT,
        Refusal::NotEmpty => Errno::ENOTEMPTY,
        Refusal::Full => Errno::ENOSPC,
        Refusal::Broken => Errno::EIO,
    }
}

fn text(name: &OsStr) -> &str {
    name.to_str().unwrap()
}
