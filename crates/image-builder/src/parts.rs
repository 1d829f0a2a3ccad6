//! The parts of an image from outside of the repository: Debian's packages in a real build, a few bytes in a test.

use crate::debian::{Kernel, Packages, ca_bundle};
use crate::error::Error;
use crate::modules::{self, Module, ModuleList};

/// A source of kernel, files and certificate roots.
pub trait Parts {
    /// A file of the package of an entry of `image/packages.toml`; symbolic links are followed.
    fn file(&self, package: &str, path: &str) -> Result<Vec<u8>, Error>;
    /// The kernel's release, as `uname -r` prints it.
    fn kernel_release(&self) -> &str;
    /// The uncompressed kernel.
    fn kernel(&self) -> Result<Vec<u8>, Error>;
    /// A device tree of the kernel, such as `broadcom/bcm2837-rpi-3-b.dtb`.
    fn device_tree(&self, name: &str) -> Result<Vec<u8>, Error>;
    /// The modules of these sections of `image/modules.toml` with all that they depend on, in loading order.
    fn modules(&self, sections: &[String]) -> Result<Vec<Module>, Error>;
    /// The certificate roots as one PEM file.
    fn certificate_roots(&self) -> Result<Vec<u8>, Error>;
    /// The licence text of every package, by package name.
    fn licences(&self) -> Result<Vec<(String, Vec<u8>)>, Error>;
}

/// The parts from Debian's packages, by `image/packages.toml` and `image/modules.toml`.
#[derive(Debug)]
pub struct DebianParts<'a> {
    packages: &'a Packages,
    kernel: Kernel<'a>,
    modules: ModuleList,
}

impl<'a> DebianParts<'a> {
    /// Finds the kernel among unpacked packages; `modules` is the text of `image/modules.toml`.
    pub fn new(packages: &'a Packages, modules: &str) -> Result<Self, Error> {
        let kernel = Kernel::find(packages, KERNEL_PACKAGE)?;
        Ok(Self { packages, kernel, modules: ModuleList::parse(modules)? })
    }
}

impl Parts for DebianParts<'_> {
    fn file(&self, package: &str, path: &str) -> Result<Vec<u8>, Error> {
        Ok(self.packages.one(package)?.read(path)?.to_vec())
    }

    fn kernel_release(&self) -> &str {
        self.kernel.release()
    }

    fn kernel(&self) -> Result<Vec<u8>, Error> {
        Ok(self.kernel.image()?.to_vec())
    }

    fn device_tree(&self, name: &str) -> Result<Vec<u8>, Error> {
        Ok(self.kernel.device_tree(name)?.to_vec())
    }

    fn modules(&self, sections: &[String]) -> Result<Vec<Module>, Error> {
        Ok(modules::close(&self.kernel, self.modules.sections(sections)?)?.modules)
    }

    fn certificate_roots(&self) -> Result<Vec<u8>, Error> {
        Ok(ca_bundle(self.packages.one(CERTIFICATES_PACKAGE)?)?)
    }

    fn licences(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut texts = Vec::new();
        for package in self.packages.iter() {
            // A package that only points to another has none of its own.
            let path = format!("usr/share/doc/{}/copyright", package.name());
            if let Ok(text) = package.read(&path) {
                texts.push((package.name().to_owned(), text.to_vec()));
            }
        }
        Ok(texts)
    }
}

const KERNEL_PACKAGE: &str = "linux-image-arm64";
const CERTIFICATES_PACKAGE: &str = "ca-certificates";
