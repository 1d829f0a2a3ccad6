//! The kernel modules of a card and their loading order.
//!
//! The list `image/modules.toml` ([`ModuleList`]) is closed over the dependencies in the modules' `.modinfo` sections, since
//! Debian's package has no `modules.dep`, which depmod writes at installation.

mod closure;
mod info;

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::debian::Kernel;

pub use closure::close;

/// `image/modules.toml`: the wanted modules, in the order in which they should be loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleList {
    /// The entries.
    #[serde(rename = "module", default)]
    pub modules: Vec<WantedModule>,
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedModule {
    /// The file's name without `.ko`; `-` and `_` are equal, as for the kernel.
    pub name: String,
    /// The card's need for it, for readers of the file and for error messages.
    pub reason: String,
    /// The section, by which boards refer to their modules; [`WantedModule::COMMON`] if left out.
    #[serde(default = "common")]
    pub section: String,
    /// The occasion of loading it.
    #[serde(default)]
    pub load: Load,
    /// The treatment of a module that the kernel does not have.
    #[serde(default)]
    pub if_absent: IfAbsent,
}

/// The occasion of loading a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// At every start.
    #[default]
    Boot,
    /// Before a WireGuard tunnel is made.
    Tunnel,
    /// After Wi-Fi has been configured.
    Wifi,
}

/// The treatment of a module that the kernel does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfAbsent {
    /// The build fails.
    #[default]
    Fail,
    /// The module is left out.
    Skip,
}

/// The modules for a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSet {
    /// The modules in loading order, each behind its dependencies.
    pub modules: Vec<Module>,
    /// Wanted modules that the kernel has built in.
    pub built_in: Vec<String>,
    /// Wanted modules that the kernel does not have, with [`IfAbsent::Skip`].
    pub absent: Vec<String>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The file's name without `.ko`.
    pub name: String,
    /// The path below the modules' directory, without the suffix of the compression: `kernel/fs/fat/vfat.ko`.
    pub path: String,
    /// The module, decompressed.
    pub bytes: Vec<u8>,
    /// The file names, without `.ko`, of its hard dependencies.
    pub depends: Vec<String>,
    /// The occasion of loading it.
    pub load: Load,
    /// The reason of the wanted module that led to it.
    pub reason: String,
}

/// An error of the list or of the kernel's modules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no valid list.
    #[error("the list of kernel modules is malformed: {why}")]
    List {
        /// The fault.
        why: String,
    },
    /// The kernel does not have a needed module.
    #[error("the kernel {kernel} has no module `{name}`, which is needed: {because}")]
    Absent {
        /// The kernel's release.
        kernel: String,
        /// The module.
        name: String,
        /// The chain of modules that need it, and the reason of the first one.
        because: String,
    },
    /// A module's file is malformed, too large, or built for another kernel.
    #[error("the kernel module {path} cannot be used: {why}")]
    Broken {
        /// The file's path.
        path: String,
        /// The fault.
        why: String,
    },
    /// A circle of hard dependencies.
    #[error("the kernel modules {names} depend on each other in a circle")]
    Circle {
        /// The modules of the circle, separated by commas.
        names: String,
    },
    /// The kernel's packages lack a file.
    #[error("the kernel's packages cannot be used")]
    Kernel(#[from] crate::debian::Error),
}

impl WantedModule {
    /// The section of modules that every board needs.
    pub const COMMON: &'static str = "common";
}

fn common() -> String {
    WantedModule::COMMON.to_owned()
}

impl ModuleList {
    /// The entries of some sections, in the order of the list.
    ///
    /// # Errors
    ///
    /// A section without entries.
    pub fn sections(&self, sections: &[String]) -> Result<Vec<&WantedModule>, Error> {
        for section in sections {
            if !self.modules.iter().any(|module| module.section == *section) {
                let known: BTreeSet<&str> =
                    self.modules.iter().map(|module| module.section.as_str()).collect();
                let known = known.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Error::List {
                    why: format!("there is no section `{section}`; there are {known}"),
                });
            }
        }
        Ok(self.modules.iter().filter(|module| sections.contains(&module.section)).collect())
    }

    /// Reads the text of a list.
    ///
    /// # Errors
    ///
    /// Text that is not such a list, an entry without a reason, a name twice.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let list: Self = toml::from_str(text).map_err(|error| Error::List { why: error.to_string() })?;
        let mut seen = BTreeSet::new();
        for module in &list.modules {
            if module.reason.trim().is_empty() {
                return Err(Error::List { why: format!("`{}` has no reason", module.name) });
            }
            if !seen.insert(closure::canonical(&module.name)) {
                return Err(Error::List { why: format!("`{}` is listed twice", module.name) });
            }
        }
        Ok(list)
    }
}

impl ModuleSet {
    /// The modules of one occasion, in loading order.
    pub fn loaded_at(&self, load: Load) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(move |module| module.load == load)
    }

    /// The size of all modules together in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.modules.iter().map(|module| module.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_the_repository_is_good() {
        let list = ModuleList::parse(include_str!("../../../image/modules.toml")).unwrap();
        assert_eq!(list.modules.first().map(|module| module.name.as_str()), Some("bcm2835_wdt"));
        let brcmfmac = list.modules.iter().find(|module| module.name == "brcmfmac").unwrap();
        assert_eq!((brcmfmac.load, brcmfmac.if_absent), (Load::Wifi, IfAbsent::Fail));
    }

    #[test]
    fn sections_keep_the_order_of_the_list() {
        let entry =
            |name: &str, section: &str| format!("[[module]]\nname = \"{name}\"\nreason = \"r\"\n{section}\n");
        let text = entry("z", "section = \"rpi\"") + &entry("a", "") + &entry("b", "section = \"virt\"");
        let list = ModuleList::parse(&text).unwrap();
        let names = |sections: &[&str]| {
            let sections: Vec<_> = sections.iter().map(|section| (*section).to_owned()).collect();
            list.sections(&sections)
                .map(|all| all.into_iter().map(|module| module.name.as_str()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["common", "rpi"]).unwrap(), ["z", "a"]);
        assert_eq!(names(&["virt"]).unwrap(), ["b"]);
        let message = names(&["rpy"]).unwrap_err().to_string();
        assert!(message.contains("`rpy`") && message.contains("common, rpi, virt"), "{message}");
    }

    #[test]
    fn mistakes_in_a_list_are_named() {
        for (text, expected) in [
            ("[[module]]\nname = \"a\"\n", "reason"),
            ("[[module]]\nname = \"a\"\nreason = \" \"\n", "no reason"),
            (
                "[[module]]\nname = \"a-b\"\nreason = \"r\"\n[[module]]\nname = \"a_b\"\nreason = \"r\"\n",
                "twice",
            ),
            ("[[module]]\nname = \"a\"\nreason = \"r\"\nload = \"never\"\n", "never"),
            ("[[module]]\nname = \"a\"\nreason = \"r\"\nextra = 1\n", "extra"),
        ] {
            let message = ModuleList::parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
