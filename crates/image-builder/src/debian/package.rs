//! The files of one `.deb` (deb(5)), unpacked into memory. Nothing is written to disk or run; the control archive with the
//! package's scripts is not read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use super::ar;
use super::error::Error;

/// The files of a package. Paths are relative to the root directory, without a leading slash.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    name: String,
    version: String,
    entries: BTreeMap<String, Entry>,
}

impl Package {
    /// Unpacks the bytes of a `.deb`.
    ///
    /// # Errors
    ///
    /// Archives that are malformed, larger than the limits, or that contain paths which lead out of the root directory.
    pub fn unpack(name: &str, version: &str, deb: &[u8]) -> Result<Self, Error> {
        let what = format!("package {name} {version}");
        let members = ar::members(&what, deb)?;
        let format = members.iter().find(|member| member.name == "debian-binary");
        if !format.is_some_and(|member| member.data.starts_with(b"2.")) {
            return Err(Error::malformed(what, "it is not a version 2 package"));
        }
        let data = members
            .iter()
            .find(|member| member.name.starts_with("data.tar"))
            .ok_or_else(|| Error::malformed(&what, "it has no data archive"))?;
        let tar = decompress(&what, data)?;
        let entries = read_tar(&what, tar)?;
        Ok(Self { name: name.to_owned(), version: version.to_owned(), entries })
    }

    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The package's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The bytes of a file; symbolic links are followed as long as they stay inside the package.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchFile`] when there is no such file.
    pub fn read(&self, path: &str) -> Result<&[u8], Error> {
        self.find(path).ok_or_else(|| Error::NoSuchFile { package: self.to_string(), path: path.to_owned() })
    }

    /// Whether [`Package::read`] would find the path.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Paths of files and symbolic links (not of folders) that begin with `prefix`, sorted.
    #[must_use]
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        let prefix = prefix.strip_prefix('/').unwrap_or(prefix);
        let from_there = self.entries.range(prefix.to_owned()..).map(|(path, _)| path.as_str());
        from_there.take_while(|path| path.starts_with(prefix)).collect()
    }

    fn find(&self, path: &str) -> Option<&[u8]> {
        let mut path = normalise(path)?;
        for _ in 0..MAX_LINKS {
            match self.first_link(&path) {
                Some(next) => path = next,
                None => {
                    return match self.entries.get(&path)? {
                        Entry::File(bytes) => Some(bytes),
                        Entry::Link(_) => None,
                    };
                }
            }
        }
        None
    }

    /// Replaces the first component of `path` that is a symbolic link by the link's target.
    fn first_link(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let (head, tail) = path.split_at_checked(end)?;
            let Some(Entry::Link(target)) = self.entries.get(head) else { continue };
            let joined = match target.strip_prefix('/') {
                Some(absolute) => format!("{absolute}{tail}"),
                None => {
                    let folder = head.rsplit_once('/').map_or("", |(folder, _)| folder);
                    format!("{folder}/{target}{tail}")
                }
            };
            // A link out of the package becomes the empty path, which does not exist.
            return Some(normalise(&joined).unwrap_or_default());
        }
        None
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Package({self}, {} entries)", self.entries.len())
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Entry {
    File(Vec<u8>),
    Link(String),
}

/// Resolves `.`, `..` and doubled slashes; `None` if the path leads above the root directory.
fn normalise(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn decompress<'a>(what: &str, member: &ar::Member<'a>) -> Result<Box<dyn Read + 'a>, Error> {
    let data = member.data;
    Ok(match member.name {
        "data.tar" => Box::new(data),
        "data.tar.gz" => Box::new(flate2::read::MultiGzDecoder::new(data)),
        "data.tar.xz" => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)
                    .map_err(|error| {
                        Error::malformed(what, format!("its xz data cannot be read: {error}"))
                    })?;
            Box::new(liblzma::read::XzDecoder::new_stream(data, stream))
        }
        "data.tar.zst" => Box::new(
            zstd::stream::read::Decoder::new(data)
                .map_err(Error::io(format!("read the zstd data of {what}")))?,
        ),
        other => {
            return Err(Error::malformed(what, format!("it is compressed in an unknown way (`{other}`)")));
        }
    })
}

fn read_tar(what: &str, tar: impl Read) -> Result<BTreeMap<String, Entry>, Error> {
    let unreadable = || Error::io(format!("unpack {what}"));
    let mut archive = tar::Archive::new(tar.take(MAX_UNPACKED_SIZE));
    let mut entries = BTreeMap::new();
    let mut total: u64 = 0;
    for entry in archive.entries().map_err(unreadable())? {
        let mut entry = entry.map_err(unreadable())?;
        let path = checked_path(what, &entry.path_bytes())?;
        if entries.len() == MAX_ENTRIES {
            return Err(Error::malformed(what, format!("it has more than {MAX_ENTRIES} files")));
        }
        let content = match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                total = total.saturating_add(entry.size());
                if entry.size() > MAX_FILE_SIZE || total > MAX_UNPACKED_SIZE {
                    return Err(Error::TooLarge { what: format!("{path} in {what}"), limit: MAX_FILE_SIZE });
                }
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
                entry.read_to_end(&mut bytes).map_err(unreadable())?;
                if bytes.len() as u64 != entry.size() {
                    return Err(Error::malformed(what, format!("it ends inside {path}")));
                }
                Entry::File(bytes)
            }
            tar::EntryType::Symlink => Entry::Link(link_target(what, &path, &entry)?),
            // A hard link names another member of the archive from its root.
            tar::EntryType::Link => {
                let target = link_target(what, &path, &entry)?;
                Entry::Link(format!("/{}", checked_path(what, target.as_bytes())?))
            }
            other => {
                return Err(Error::malformed(what, format!("{path} is of an unexpected kind ({other:?})")));
            }
        };
        entries.insert(path, content);
    }
    Ok(entries)
}

fn link_target<R: Read>(what: &str, path: &str, entry: &tar::Entry<'_, R>) -> Result<String, Error> {
    let target = entry.link_name_bytes().unwrap_or_default();
    match String::from_utf8(target.into_owned()) {
        Ok(target) if (1..=MAX_PATH_LENGTH).contains(&target.len()) => Ok(target),
        _ => Err(Error::malformed(what, format!("the link {path} leads nowhere"))),
    }
}

/// Accepts `./usr/lib/x` and `usr/lib/x`; refuses absolute paths, `..` and bytes that are not UTF-8.
fn checked_path(what: &str, raw: &[u8]) -> Result<String, Error> {
    let path =
        std::str::from_utf8(raw).ok().filter(|path| path.len() <= MAX_PATH_LENGTH && !path.contains('\0'));
    let path = path.ok_or_else(|| Error::malformed(what, "a path in it is not sensible text"))?;
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(Error::malformed(what, format!("the path {path:?} leads out of the package")));
    }
    normalise(path).ok_or(Error::Bug("a path without `..` leads above the root"))
}

/// In bytes; the kernel's package has 140 MB.
const MAX_UNPACKED_SIZE: u64 = 1 << 30;
/// In bytes.
const MAX_FILE_SIZE: u64 = 256 << 20;
const MAX_ENTRIES: usize = 50_000;
/// In bytes, as Linux's `PATH_MAX`.
const MAX_PATH_LENGTH: usize = 4096;
/// Symbolic links on the way to one file, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// In bytes, for the decoder; `xz -9` needs 65 MiB.
const MAX_XZ_MEMORY: u64 = 256 << 20;

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// One entry for [`deb`]: a file when `Ok`, a symbolic link when `Err`.
    pub(crate) type Fixture<'a> = (&'a str, Result<&'a [u8], &'a str>);

    pub(crate) fn tarball(files: &[Fixture<'_>]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            match content {
                Ok(bytes) => {
                    header.set_size(bytes.len() as u64);
                    header.set_entry_type(tar::EntryType::Regular);
                    builder.append_data(&mut header, path, *bytes).unwrap();
                }
                Err(target) => {
                    header.set_size(0);
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, path, target).unwrap();
                }
            }
        }
        builder.into_inner().unwrap()
    }

    /// A `.deb` with these files.
    pub(crate) fn deb(files: &[Fixture<'_>]) -> Vec<u8> {
        deb_with("data.tar", &tarball(files))
    }

    fn deb_with(member: &str, data: &[u8]) -> Vec<u8> {
        ar::tests::write(&[("debian-binary", b"2.0\n"), ("control.tar", b""), (member, data)])
    }

    fn raw_tar(path: &[u8], kind: tar::EntryType) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_size(0);
        header.set_mode(0o644);
        header.set_entry_type(kind);
        header.set_cksum();
        let mut out = header.as_bytes().to_vec();
        out.resize(out.len() + 1024, 0);
        out
    }

    fn unpack(deb: &[u8]) -> Result<Package, Error> {
        Package::unpack("fixture", "1", deb)
    }

    #[test]
    fn files_are_found_with_and_without_the_leading_slash() {
        let package = unpack(&deb(&[("./usr/lib/a", Ok(b"A")), ("usr/lib/b", Ok(b"B"))])).unwrap();
        assert_eq!(package.read("usr/lib/a").unwrap(), b"A");
        assert_eq!(package.read("/usr/lib//./b").unwrap(), b"B");
        assert_eq!(package.list("usr/"), ["usr/lib/a", "usr/lib/b"]);
        assert!(matches!(package.read("usr/lib"), Err(Error::NoSuchFile { .. })));
    }

    #[test]
    fn links_are_followed_inside_the_package_only() {
        let package = unpack(&deb(&[
            ("usr/lib/fw/real.bin", Ok(b"R")),
            ("usr/lib/fw/board.bin", Err("real.bin")),
            ("lib", Err("usr/lib")),
            ("usr/lib/fw/absolute.bin", Err("/lib/fw/board.bin")),
            ("usr/lib/fw/out.bin", Err("../../../../etc/passwd")),
            ("usr/lib/fw/round.bin", Err("round.bin")),
            ("usr/lib/fw/gone.bin", Err("nowhere")),
        ]))
        .unwrap();
        for path in ["usr/lib/fw/board.bin", "lib/fw/board.bin", "usr/lib/fw/absolute.bin"] {
            assert_eq!(package.read(path).unwrap(), b"R", "{path}");
        }
        for path in ["usr/lib/fw/out.bin", "usr/lib/fw/round.bin", "usr/lib/fw/gone.bin"] {
            assert!(!package.has(path), "{path}");
        }
    }

    #[test]
    fn every_compression_of_debian_is_read() {
        let tar = tarball(&[("a", Ok(b"A"))]);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&tar).unwrap();
        let zst = zstd::stream::encode_all(tar.as_slice(), 1).unwrap();
        let all = [("", tar), (".gz", gz.finish().unwrap()), (".xz", xz.finish().unwrap()), (".zst", zst)];
        for (suffix, data) in all {
            let package = unpack(&deb_with(&format!("data.tar{suffix}"), &data)).unwrap();
            assert_eq!(package.read("a").unwrap(), b"A", "{suffix}");
            // Cut short, it is an error and never a package with half a file.
            assert!(
                unpack(&deb_with(&format!("data.tar{suffix}"), &data[..data.len().min(600) / 2])).is_err()
            );
        }
        assert!(unpack(&deb_with("data.tar.lz", b"")).is_err());
    }

    #[test]
    fn paths_that_lead_out_and_device_files_are_refused() {
        for path in ["/etc/shadow", "../x", "usr/../../x", "\u{e9}\0"] {
            let result = unpack(&deb_with("data.tar", &raw_tar(path.as_bytes(), tar::EntryType::Regular)));
            if path.contains('\0') {
                assert!(result.is_ok(), "the name ends at the zero byte");
            } else {
                assert!(matches!(result, Err(Error::Malformed { .. })), "{path:?}");
            }
        }
        assert!(unpack(&deb_with("data.tar", &raw_tar(b"\xff\xfe", tar::EntryType::Regular))).is_err());
        assert!(unpack(&deb_with("data.tar", &raw_tar(b"dev/sda", tar::EntryType::Block))).is_err());
    }

    #[test]
    fn a_file_that_claims_to_be_huge_is_refused_before_it_allocates() {
        let mut header = tar::Header::new_gnu();
        header.set_path("huge").unwrap();
        header.set_size(u64::MAX >> 2);
        header.set_mode(0o644);
        header.set_cksum();
        let data = [header.as_bytes().as_slice(), &[0; 1024]].concat();
        assert!(matches!(unpack(&deb_with("data.tar", &data)), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_package_is_refused() {
        for bytes in [&b""[..], b"!<arch>\n", b"\x7fELF", &ar::tests::write(&[("debian-binary", b"3.0\n")])] {
            assert!(unpack(bytes).is_err());
        }
        assert!(unpack(&ar::tests::write(&[("debian-binary", b"2.0\n")])).is_err());
    }

    #[test]
    fn no_changed_byte_makes_it_panic() {
        let whole = deb(&[("usr/a", Ok(b"A")), ("b", Err("usr/a"))]);
        for at in (0..whole.len()).filter(|at| whole[*at] != 0 || at % 97 == 0) {
            for value in [0, b'7', b'/', 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                if let Ok(package) = unpack(&broken) {
                    let _ = package.list("").into_iter().filter(|path| package.has(path)).count();
                }
            }
        }
    }
}
