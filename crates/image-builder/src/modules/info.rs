//! The `.modinfo` section of a module's ELF file, and the decompression of that file.

use std::io::Read;

use object::{Object, ObjectSection};

use super::Error;

/// The entries of `.modinfo` that loading needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// `depends=`: modules that must be loaded before.
    pub(super) depends: Vec<String>,
    /// `softdep=pre:`: modules or aliases of modules that should be loaded before, if there are any.
    pub(super) before: Vec<String>,
    /// `softdep=post:`: modules or aliases of modules that should be loaded afterwards, if there are any.
    pub(super) after: Vec<String>,
    /// `alias=`: other names of the module.
    pub(super) aliases: Vec<String>,
    /// The first word of `vermagic=`: the release of the kernel that the module was built for.
    pub(super) kernel: String,
}

/// Decompresses a file, by the suffix of its name.
pub(super) fn decompress(path: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let broken = |why: String| Error::Broken { path: path.to_owned(), why };
    let reader: Box<dyn Read + '_> = if path.ends_with(".ko") {
        Box::new(bytes)
    } else if path.ends_with(".ko.xz") {
        let stream =
            liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED);
        let stream = stream.map_err(|error| broken(error.to_string()))?;
        Box::new(liblzma::read::XzDecoder::new_stream(bytes, stream))
    } else if path.ends_with(".ko.zst") {
        Box::new(zstd::stream::read::Decoder::new(bytes).map_err(|error| broken(error.to_string()))?)
    } else {
        return Err(broken("it is compressed in an unknown way".to_owned()));
    };
    let mut module = Vec::new();
    reader.take(MAX_MODULE_SIZE + 1).read_to_end(&mut module).map_err(|error| broken(error.to_string()))?;
    if module.len() as u64 > MAX_MODULE_SIZE {
        return Err(broken(format!("it is larger than {MAX_MODULE_SIZE} bytes")));
    }
    Ok(module)
}

/// Reads the `.modinfo` section.
pub(super) fn read(path: &str, module: &[u8]) -> Result<Info, Error> {
    let broken = |why: String| Error::Broken { path: path.to_owned(), why };
    let elf =
        object::File::parse(module).map_err(|error| broken(format!("it is not an ELF file: {error}")))?;
    let section =
        elf.section_by_name(".modinfo").ok_or_else(|| broken("it says nothing about itself".to_owned()))?;
    let data = section.data().map_err(|error| broken(error.to_string()))?;
    if data.len() > MAX_MODINFO_SIZE {
        return Err(broken("it says too much about itself".to_owned()));
    }
    Ok(parse(&String::from_utf8_lossy(data)))
}

/// ```text
/// modinfo = *(key "=" value NUL)      ; with NULs as filler
/// ```
fn parse(text: &str) -> Info {
    let mut info = Info::default();
    for (key, value) in text.split('\0').filter_map(|entry| entry.split_once('=')) {
        match key {
            "depends" => {
                info.depends.extend(value.split(',').filter(|name| !name.is_empty()).map(str::to_owned))
            }
            "softdep" => parse_softdep(value, &mut info),
            "alias" => info.aliases.push(value.to_owned()),
            "vermagic" => value.split(' ').next().unwrap_or_default().clone_into(&mut info.kernel),
            _ => {}
        }
    }
    info
}

/// `pre: a b post: c`
fn parse_softdep(value: &str, info: &mut Info) {
    let mut list = None;
    for word in value.split_whitespace() {
        match word {
            "pre:" => list = Some(&mut info.before),
            "post:" => list = Some(&mut info.after),
            name => {
                if let Some(list) = list.as_mut() {
                    list.push(name.to_owned());
                }
            }
        }
    }
}

/// In bytes, decompressed; the largest of Debian's modules has 8 MB.
const MAX_MODULE_SIZE: u64 = 64 << 20;
/// In bytes.
const MAX_MODINFO_SIZE: usize = 1 << 20;
/// In bytes, for the decoder; `xz -9` needs 65 MiB.
const MAX_XZ_MEMORY: u64 = 128 << 20;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A 64-bit little-endian ELF file with a `.modinfo` section and nothing else.
    pub(in super::super) fn elf(modinfo: &str) -> Vec<u8> {
        const NAMES: &[u8] = b"\0.modinfo\0.shstrtab\0";
        let modinfo_at = 64;
        let names_at = modinfo_at + modinfo.len();
        let sections_at = (names_at + NAMES.len()).next_multiple_of(8);
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend([1, 0, 183, 0, 1, 0, 0, 0]); // Relocatable, AArch64, version 1.
        out.extend([0; 16]); // No entry point, no program headers.
        out.extend((sections_at as u64).to_le_bytes());
        out.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        out.extend(modinfo.bytes());
        out.extend(NAMES);
        out.resize(sections_at, 0);
        let mut section = |name: u32, kind: u32, at: usize, size: usize| {
            out.extend(name.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend([0; 16]);
            out.extend((at as u64).to_le_bytes());
            out.extend((size as u64).to_le_bytes());
            out.extend([0; 24]);
        };
        section(0, 0, 0, 0);
        section(1, 1, modinfo_at, modinfo.len());
        section(11, 3, names_at, NAMES.len());
        out
    }

    #[test]
    fn a_modules_words_are_read() {
        let text = "license=GPL\0\0\0depends=a,b-c\0alias=crypto-x\0alias=y\0softdep=pre: p q post: r\0\
                    softdep=pre: s\0vermagic=6.12.1+deb13-arm64 SMP mod_unload aarch64\0parm=x:depends=no\0";
        let info = read("m.ko", &elf(text)).unwrap();
        assert_eq!(info.depends, ["a", "b-c"]);
        assert_eq!(
            (info.before.as_slice(), info.after.as_slice()),
            (&["p", "q", "s"].map(String::from)[..], &["r".to_owned()][..])
        );
        assert_eq!(info.aliases, ["crypto-x", "y"]);
        assert_eq!(info.kernel, "6.12.1+deb13-arm64");
        assert_eq!(read("m.ko", &elf("depends=\0")).unwrap(), Info::default());
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &elf("")[..60]] {
            assert!(matches!(read("m.ko", bytes), Err(Error::Broken { .. })));
        }
        let mut unnamed = elf("depends=\0");
        let name = unnamed.windows(8).position(|window| window == b".modinfo").unwrap();
        unnamed[name + 1] = b'x';
        assert!(matches!(read("m.ko", &unnamed), Err(Error::Broken { .. })));
    }

    #[test]
    fn no_changed_byte_makes_it_panic() {
        let whole = elf("depends=a\0softdep=pre: b\0");
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                let _ = read("m.ko", &broken);
            }
        }
    }

    #[test]
    fn compressed_modules_are_read() {
        use std::io::Write;
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(b"module").unwrap();
        let xz = xz.finish().unwrap();
        let zst = zstd::stream::encode_all(&b"module"[..], 1).unwrap();
        for (path, bytes) in [("a.ko", b"module".to_vec()), ("a.ko.xz", xz.clone()), ("a.ko.zst", zst)] {
            assert_eq!(decompress(path, &bytes).unwrap(), b"module", "{path}");
        }
        assert!(decompress("a.ko.gz", b"").is_err());
        assert!(decompress("a.ko.xz", &xz[..xz.len() / 2]).is_err());
    }
}
