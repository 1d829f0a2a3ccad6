//! Which kernel modules go on the card, and in which order they are loaded.
//!
//! A list with reasons ([`ModuleList`]) is closed over what the modules say about themselves, since Debian's package
//! has no `modules.dep`. Loading happens on the box; nothing is run here, and nothing is known about boards.

mod closure;
mod info;

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::debian::Kernel;

pub use closure::close;

/// Modules that are wanted, in the order in which they should be loaded.
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
    /// The file's name without `.ko`; `-` and `_` are the same, as for the kernel.
    pub name: String,
    /// Why the card needs it. For people, and for error messages.
    pub reason: String,
    /// Which boards it is for, by the word that they use; [`WantedModule::COMMON`] when nothing is said.
    #[serde(default = "common")]
    pub section: String,
    /// When it is loaded.
    #[serde(default)]
    pub load: Load,
    /// What to do when the kernel has no such module.
    #[serde(default)]
    pub if_absent: IfAbsent,
}

/// When a module is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// At every start.
    #[default]
    Boot,
    /// When Wi-Fi has been set up.
    Wifi,
}

/// What to do when the kernel has no such module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfAbsent {
    /// Refuse to build.
    #[default]
    Fail,
    /// Go on without it.
    Skip,
}

/// The modules for a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSet {
    /// In an order in which they can be loaded: each after all that it depends on.
    pub modules: Vec<Module>,
    /// Wanted modules that the kernel has built in.
    pub built_in: Vec<String>,
    /// Wanted modules that the kernel does not have, and that may be missing.
    pub absent: Vec<String>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The file's name without `.ko`.
    pub name: String,
    /// Where Debian has it below the modules' folder, without the suffix of the compression: `kernel/fs/fat/vfat.ko`.
    pub path: String,
    /// The module, decompressed.
    pub bytes: Vec<u8>,
    /// The names of those that must be loaded before it, as their files are called.
    pub depends: Vec<String>,
    /// When it is loaded.
    pub load: Load,
    /// Why it is here.
    pub reason: String,
}

/// Trouble with the list or with the kernel's modules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not such a list.
    #[error("the list of kernel modules is malformed: {why}")]
    List {
        /// What is wrong with it.
        why: String,
    },
    /// The kernel does not have a module that is needed.
    #[error("the kernel {kernel} has no module `{name}`, which is needed: {because}")]
    Absent {
        /// The kernel's release.
        kernel: String,
        /// The module.
        name: String,
        /// Why it was wanted, and by which modules.
        because: String,
    },
    /// A module's file cannot be understood.
    #[error("the kernel module {path} cannot be used: {why}")]
    Broken {
        /// Its file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Modules that depend on each other.
    #[error("the kernel modules {names} depend on each other in a circle")]
    Circle {
        /// Those in the circle.
        names: String,
    },
    /// The kernel's packages do not contain what they should.
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
    /// A section without entries: the word is misspelt.
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
    /// Text that is not such a list, entries without a reason, names twice.
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

    /// The size of all modules together.
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
