//! The common `ar` archive format (deb(5)), the container of a `.deb`, read from memory.

use super::Error;

/// One member of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The name without padding, and without the slash that GNU ar appends.
    pub(super) name: &'a str,
    /// The bytes.
    pub(super) data: &'a [u8],
}

/// Splits an archive into its members. `what` names it in errors.
///
/// A `.deb` has three members.
pub(super) fn members<'a>(what: &str, archive: &'a [u8]) -> Result<Vec<Member<'a>>, Error> {
    let bad = |why: &str| Error::malformed(what, why);
    let mut rest = archive.strip_prefix(MAGIC).ok_or_else(|| bad("it does not begin like an ar archive"))?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        if members.len() == MAX_MEMBERS {
            return Err(bad("it has more members than a package may have"));
        }
        let (header, body) =
            rest.split_first_chunk::<HEADER_LEN>().ok_or_else(|| bad("it ends inside a member's header"))?;
        let (name, size) = parse_header(header).ok_or_else(|| bad("a member's header is not one"))?;
        let (data, after) = body.split_at_checked(size).ok_or_else(|| bad("it ends inside a member"))?;
        members.push(Member { name, data });
        // Members begin at even offsets; the filler is missing when the last member ends the file.
        rest = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
    }
    Ok(members)
}

/// Name in 16 bytes, time 12, owner 6, group 6, mode 8, size 10, and the two bytes of [`TRAILER`].
fn parse_header(header: &[u8; HEADER_LEN]) -> Option<(&str, usize)> {
    let header = header.strip_suffix(TRAILER)?;
    let name = std::str::from_utf8(header.get(..16)?).ok()?.trim_end_matches(' ');
    let size = std::str::from_utf8(header.get(48..58)?).ok()?.trim_end_matches(' ');
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((name.strip_suffix('/').unwrap_or(name), size.parse().ok()?))
}

const MAGIC: &[u8] = b"!<arch>\n";
const TRAILER: &[u8] = b"`\n";
const HEADER_LEN: usize = 60;
const MAX_MEMBERS: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes an archive the way `dpkg-deb` does.
    pub(in super::super) fn write(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, data) in members {
            out.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", data.len()).bytes(),
            );
            out.extend_from_slice(data);
            if data.len() % 2 == 1 {
                out.push(b'\n');
            }
        }
        out
    }

    #[test]
    fn members_come_back_as_written() {
        let archive = write(&[("debian-binary", b"2.0\n"), ("odd/", b"abc"), ("last", b"")]);
        let names: Vec<_> =
            members("t", &archive).unwrap().into_iter().map(|m| (m.name, m.data.to_vec())).collect();
        assert_eq!(
            names,
            [("debian-binary", b"2.0\n".to_vec()), ("odd", b"abc".to_vec()), ("last", Vec::new())]
        );
    }

    #[test]
    fn every_cut_is_refused_or_gives_fewer_members_and_never_panics() {
        let archive = write(&[("debian-binary", b"2.0\n"), ("data.tar", &[7; 31])]);
        for end in 0..archive.len() - 1 {
            let read = members("t", &archive[..end]);
            assert!(read.map_or(0, |list| list.len()) < 2, "cut at {end}");
        }
    }

    #[test]
    fn no_single_changed_byte_panics() {
        let archive = write(&[("debian-binary", b"2.0\n"), ("data.tar", &[7; 31])]);
        for at in 0..archive.len() {
            for value in [0, b' ', b'-', b'9', 0xff] {
                let mut broken = archive.clone();
                broken[at] = value;
                let _ = members("t", &broken);
            }
        }
    }

    #[test]
    fn a_size_beyond_the_archive_is_refused() {
        let mut archive = write(&[("data.tar", b"ab")]);
        archive[8 + 48..8 + 58].copy_from_slice(b"9999999999");
        assert!(matches!(members("t", &archive), Err(Error::Malformed { .. })));
    }

    #[test]
    fn too_many_members_are_refused() {
        let many: Vec<(&str, &[u8])> = vec![("x", b""); MAX_MEMBERS + 1];
        assert!(members("t", &write(&many)).is_err());
    }
}
