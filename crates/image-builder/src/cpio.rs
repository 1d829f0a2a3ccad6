//! Writes the initramfs in the cpio "newc" format (Linux, `driver-api/early-userspace/buffer-format`). Entries are sorted
//! and have no owners, times or inode numbers, so that the same files give the same bytes.

use std::collections::BTreeMap;

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory, mode 0755.
    Folder,
    /// A regular file, mode 0644.
    File(Vec<u8>),
    /// An executable file, mode 0755.
    Program(Vec<u8>),
    /// A symbolic link with its target.
    Link(String),
    /// A character device: major and minor number, mode 0600.
    Device(u32, u32),
}

/// An archive under construction; directories above a path are added.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    nodes: BTreeMap<String, Node>,
}

impl Archive {
    /// Puts a node at `path` (without a leading slash) in the place of an earlier one.
    pub fn put(&mut self, path: &str, node: Node) {
        for (end, _) in path.match_indices('/') {
            if let Some(parent) = path.get(..end) {
                self.nodes.entry(parent.to_owned()).or_insert(Node::Folder);
            }
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// The nodes in path order, in which a directory precedes its entries.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The archive's bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (path, node) in &self.nodes {
            write_node(&mut bytes, path, node);
        }
        write_node(&mut bytes, "TRAILER!!!", &Node::Link(String::new()));
        // cpio archives end at a multiple of 512 bytes; the kernel skips zeros behind the trailer.
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// Header (magic and 13 numbers of 8 hexadecimal digits), name, content; name and content end on multiples of four.
fn write_node(bytes: &mut Vec<u8>, path: &str, node: &Node) {
    let (mode, content, device): (u32, &[u8], (u32, u32)) = match node {
        Node::Folder => (0o040_755, &[], (0, 0)),
        Node::File(content) => (0o100_644, content, (0, 0)),
        Node::Program(content) => (0o100_755, content, (0, 0)),
        Node::Link(target) if path == "TRAILER!!!" && target.is_empty() => (0, &[], (0, 0)),
        Node::Link(target) => (0o120_777, target.as_bytes(), (0, 0)),
        Node::Device(major, minor) => (0o020_600, &[], (*major, *minor)),
    };
    let size = content.len();
    let links = if matches!(node, Node::Folder) { 2 } else { 1 };
    let (major, minor) = device;
    let name_size = path.len() + 1;
    // inode, mode, user, group, links, time, size, device (2), device number (2), name size, checksum
    let head = format!(
        "070701{:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}{size:08x}{:08x}{:08x}{major:08x}{minor:08x}{name_size:08x}{:08x}",
        0, 0, 0, 0, 0, 0, 0
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(path.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn archive() -> Archive {
        let mut archive = Archive::default();
        archive.put("sbin/hearth", Node::Program(vec![1; 10]));
        archive.put("init", Node::Link("sbin/hearth".to_owned()));
        archive.put("dev/console", Node::Device(5, 1));
        archive.put("etc/a/b", Node::File(Vec::new()));
        archive
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let archive = archive();
        let paths: Vec<&str> = archive.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["dev", "dev/console", "etc", "etc/a", "etc/a/b", "init", "sbin", "sbin/hearth"]);
    }

    #[test]
    fn the_format_is_the_kernels() {
        let bytes = archive().write();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes);
        let device =
            "0000000000002180000000000000000000000001000000000000000000000000000000000000000500000001";
        assert!(text.contains(device), "the console is character device 5:1");
        assert!(text.contains("TRAILER!!!"));
    }

    #[test]
    fn the_systems_own_cpio_lists_it() {
        let child = Command::new("cpio").arg("-itv").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        // Without cpio on this machine there is nothing to compare with.
        let Ok(mut child) = child else { return };
        child.stdin.take().unwrap().write_all(&archive().write()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let listing = String::from_utf8(output.stdout).unwrap();
        assert!(listing.contains("init -> sbin/hearth"), "{listing}");
        assert!(listing.contains("crw-------"), "{listing}");
    }
}
