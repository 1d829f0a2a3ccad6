//! What an image is made of, whoever provides it: Debian's packages in a real build, a handful of bytes in a test.

use crate::error::Error;

/// A kernel module ready for the initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// File name without compression suffix, such as `ext4.ko`.
    pub file: String,
    /// The uncompressed bytes.
    pub content: Vec<u8>,
}

/// Everything that comes from outside the repository, except the product's own binary.
pub trait Parts {
    /// A file of the package that an entry of `image/packages.toml` led to; links are followed.
    fn file(&self, package: &str, path: &str) -> Result<Vec<u8>, Error>;
    /// What `uname -r` will say.
    fn kernel_release(&self) -> &str;
    /// The uncompressed kernel.
    fn kernel(&self) -> Result<Vec<u8>, Error>;
    /// A device tree of the kernel, such as `broadcom/bcm2837-rpi-3-b.dtb`.
    fn device_tree(&self, name: &str) -> Result<Vec<u8>, Error>;
    /// The modules of these sections and all they depend on, in an order in which they can be loaded.
    fn modules(&self, sections: &[String]) -> Result<Vec<Module>, Error>;
    /// The certificate roots in one PEM file.
    fn certificate_roots(&self) -> Result<Vec<u8>, Error>;
    /// The licence text of every package, by package name.
    fn licences(&self) -> Result<Vec<(String, Vec<u8>)>, Error>;
}
