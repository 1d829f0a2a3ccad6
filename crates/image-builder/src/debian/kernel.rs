//! The kernel's files among the packages: image, device trees and modules. Debian packs them in two ways, all in one package
//! (6.12) or split into several (7.x); only this file knows them.

use super::error::Error;
use super::fetch::Packages;
use super::package::Package;

/// A kernel and its packages.
#[derive(Debug, Clone)]
pub struct Kernel<'a> {
    release: String,
    packages: Vec<&'a Package>,
}

impl<'a> Kernel<'a> {
    /// Finds the kernel in the packages that `wanted_as` (say, `linux-image-arm64`) led to.
    ///
    /// # Errors
    ///
    /// Packages without a kernel, or with more than one.
    pub fn find(packages: &'a Packages, wanted_as: &str) -> Result<Self, Error> {
        Self::of(packages.all(wanted_as)?)
    }

    /// A kernel made of these packages.
    ///
    /// # Errors
    ///
    /// Packages without kernel modules, or with those of more than one kernel.
    pub fn of(packages: Vec<&'a Package>) -> Result<Self, Error> {
        let mut releases: Vec<&str> = Vec::new();
        for package in &packages {
            for folder in MODULE_FOLDERS {
                let below = package.list(folder).into_iter().filter_map(|path| path.strip_prefix(folder));
                releases.extend(below.filter_map(|path| path.split('/').next()));
            }
        }
        releases.sort_unstable();
        releases.dedup();
        let names = || packages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match releases.as_slice() {
            [release] => Ok(Self { release: (*release).to_owned(), packages }),
            [] => Err(Error::malformed(names(), "there are no kernel modules in it")),
            _ => Err(Error::malformed(names(), "there are modules of more than one kernel in it")),
        }
    }

    /// The kernel's release, as `uname -r` prints it.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The uncompressed kernel image.
    ///
    /// # Errors
    ///
    /// Packages without an image.
    pub fn image(&self) -> Result<&'a [u8], Error> {
        let release = &self.release;
        self.first(&[format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")])
    }

    /// A device tree by its name below the vendors' folders, `broadcom/bcm2837-rpi-3-b.dtb`.
    ///
    /// # Errors
    ///
    /// Packages without that device tree.
    pub fn device_tree(&self, name: &str) -> Result<&'a [u8], Error> {
        let release = &self.release;
        self.first(&[
            format!("usr/lib/linux-image-{release}/{name}"),
            format!("usr/lib/modules/{release}/dtb/{name}"),
        ])
    }

    /// The paths (below the modules' folder) and bytes of all modules, still compressed, sorted by path.
    #[must_use]
    pub fn modules(&self) -> Vec<(&'a str, &'a [u8])> {
        let mut all = self.module_files();
        all.retain(|(path, _)| path.contains(".ko"));
        all.sort_unstable();
        all
    }

    /// A text or binary list that belongs to the modules, such as `modules.builtin`.
    ///
    /// # Errors
    ///
    /// Packages without that list.
    pub fn module_list(&self, name: &str) -> Result<&'a [u8], Error> {
        let candidates: Vec<_> =
            MODULE_FOLDERS.iter().map(|folder| format!("{folder}{}/{name}", self.release)).collect();
        self.first(&candidates)
    }

    fn module_files(&self) -> Vec<(&'a str, &'a [u8])> {
        let prefixes = MODULE_FOLDERS.map(|folder| format!("{folder}{}/", self.release));
        let mut files = Vec::new();
        for package in &self.packages {
            for prefix in &prefixes {
                for path in package.list(prefix) {
                    if let (Some(short), Ok(bytes)) = (path.strip_prefix(prefix.as_str()), package.read(path))
                    {
                        files.push((short, bytes));
                    }
                }
            }
        }
        files
    }

    fn first(&self, candidates: &[String]) -> Result<&'a [u8], Error> {
        let found = candidates
            .iter()
            .find_map(|path| self.packages.iter().find_map(|package| package.read(path).ok()));
        found.ok_or_else(|| Error::NoSuchFile {
            package: self.packages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            path: candidates.join(" or "),
        })
    }
}

const MODULE_FOLDERS: [&str; 2] = ["lib/modules/", "usr/lib/modules/"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::package::tests::{Fixture, deb};

    fn package(name: &str, files: &[Fixture<'_>]) -> Package {
        Package::unpack(name, "1", &deb(files)).unwrap()
    }

    #[test]
    fn a_kernel_in_one_package() {
        let one = package(
            "linux-image-6.12",
            &[
                ("boot/vmlinuz-6.12", Ok(b"I")),
                ("usr/lib/linux-image-6.12/broadcom/a.dtb", Ok(b"D")),
                ("usr/lib/modules/6.12/kernel/z.ko.xz", Ok(b"Z")),
                ("usr/lib/modules/6.12/kernel/fs/a.ko.xz", Ok(b"A")),
                ("usr/lib/modules/6.12/modules.builtin", Ok(b"B")),
            ],
        );
        let kernel = Kernel::of(vec![&one]).unwrap();
        assert_eq!((kernel.release(), kernel.image().unwrap()), ("6.12", &b"I"[..]));
        assert_eq!(kernel.device_tree("broadcom/a.dtb").unwrap(), b"D");
        assert_eq!(kernel.module_list("modules.builtin").unwrap(), b"B");
        assert_eq!(kernel.modules(), [("kernel/fs/a.ko.xz", &b"A"[..]), ("kernel/z.ko.xz", &b"Z"[..])]);
        let message = kernel.device_tree("broadcom/none.dtb").unwrap_err().to_string();
        assert!(message.contains("linux-image-6.12 1") && message.contains("none.dtb"), "{message}");
    }

    #[test]
    fn a_kernel_split_in_three() {
        let meta = package("linux-image-7.3", &[("usr/share/doc/linux-image-7.3/copyright", Ok(b"C"))]);
        let binary = package("linux-binary-7.3", &[("usr/lib/modules/7.3/vmlinuz", Ok(b"I"))]);
        let modules = package(
            "linux-modules-7.3",
            &[
                ("usr/lib/modules/7.3/dtb/broadcom/a.dtb", Ok(b"D")),
                ("usr/lib/modules/7.3/kernel/a.ko.xz", Ok(b"A")),
            ],
        );
        let kernel = Kernel::of(vec![&meta, &binary, &modules]).unwrap();
        assert_eq!((kernel.release(), kernel.image().unwrap()), ("7.3", &b"I"[..]));
        assert_eq!(kernel.device_tree("broadcom/a.dtb").unwrap(), b"D");
        assert_eq!(kernel.modules().len(), 1);
    }

    #[test]
    fn no_kernel_or_two_are_refused() {
        let none = package("empty", &[]);
        assert!(matches!(Kernel::of(vec![&none]), Err(Error::Malformed { .. })));
        let two = package("two", &[("lib/modules/1/a.ko", Ok(b"")), ("lib/modules/2/a.ko", Ok(b""))]);
        assert!(matches!(Kernel::of(vec![&two]), Err(Error::Malformed { .. })));
    }
}
