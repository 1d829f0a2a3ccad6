//! The transitive closure of the wanted modules over their dependencies, in loading order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::info::{self, Info};
use super::{Error, IfAbsent, Kernel, Load, Module, ModuleSet, WantedModule};

/// The wanted modules and all of their dependencies.
///
/// The order is that of the list, with the dependencies of a module in front of it; the same inputs give the same set.
/// Soft dependencies (`softdep`) are added if the kernel has them, and given up where they would make a circle.
///
/// # Errors
///
/// A needed module that the kernel does not have; malformed files; circles of hard dependencies.
pub fn close<'w>(
    kernel: &Kernel<'_>,
    wanted: impl IntoIterator<Item = &'w WantedModule>,
) -> Result<ModuleSet, Error> {
    let mut pool = Pool::open(kernel)?;
    let mut roots = Vec::new();
    let (mut built_in, mut absent) = (Vec::new(), Vec::new());
    for module in wanted {
        let name = canonical(&module.name);
        if pool.files.contains_key(&name) {
            pool.take(&name, &module.reason)?;
            roots.push((name, module.load));
        } else if pool.built_in.contains(&name) {
            built_in.push(module.name.clone());
        } else if module.if_absent == IfAbsent::Skip {
            absent.push(module.name.clone());
        } else {
            return Err(pool.missing(&module.name, &module.reason));
        }
    }
    pool.take_soft_dependencies()?;
    let modules = Order::new(&pool).of(&roots)?;
    Ok(ModuleSet { modules, built_in, absent })
}

/// A module's name as the kernel compares it, which does not distinguish `-` from `_`.
pub(super) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// The modules of the kernel, and those of them that are needed so far. Keys are canonical names.
struct Pool<'a> {
    /// The kernel's release.
    kernel: String,
    /// Path and compressed bytes.
    files: BTreeMap<String, (&'a str, &'a [u8])>,
    built_in: BTreeSet<String>,
    taken: BTreeMap<String, Taken>,
}

/// A needed module.
struct Taken {
    /// The file's name without suffixes.
    name: String,
    path: String,
    bytes: Vec<u8>,
    info: Info,
    reason: String,
}

impl<'a> Pool<'a> {
    fn open(kernel: &Kernel<'a>) -> Result<Self, Error> {
        let files = kernel
            .modules()
            .into_iter()
            .filter_map(|(path, bytes)| Some((canonical(file_stem(path)?), (path, bytes))));
        let built_in = String::from_utf8_lossy(kernel.module_list("modules.builtin")?)
            .lines()
            .filter_map(file_stem)
            .map(canonical)
            .collect();
        Ok(Self {
            kernel: kernel.release().to_owned(),
            files: files.collect(),
            built_in,
            taken: BTreeMap::new(),
        })
    }

    /// Takes a module and its hard dependencies, directly or not. `modules.dep` would have them; here each file is
    /// decompressed and its `.modinfo` read, once.
    fn take(&mut self, name: &str, reason: &str) -> Result<(), Error> {
        let mut open = vec![(name.to_owned(), reason.to_owned())];
        while let Some((name, reason)) = open.pop() {
            if self.taken.contains_key(&name) || self.built_in.contains(&name) {
                continue;
            }
            let Some((path, bytes)) = self.files.get(&name).copied() else {
                return Err(self.missing(&name, &reason));
            };
            let bytes = info::decompress(path, bytes)?;
            let info = info::read(path, &bytes)?;
            if info.kernel != self.kernel {
                let why = format!("it was built for the kernel {}, and this is {}", info.kernel, self.kernel);
                return Err(Error::Broken { path: path.to_owned(), why });
            }
            let own_name = file_stem(path).unwrap_or(path).to_owned();
            let because = format!("`{own_name}` depends on it ({reason})");
            open.extend(info.depends.iter().map(|other| (canonical(other), because.clone())));
            let path = path.rsplit_once(".ko").map_or(path, |(stem, _)| stem);
            self.taken
                .insert(name, Taken { name: own_name, path: format!("{path}.ko"), bytes, info, reason });
        }
        Ok(())
    }

    /// Takes soft dependencies that are modules of the kernel, until a round finds none: each may bring further ones.
    ///
    /// A soft dependency that is an alias is not looked for among all files, since that would need every module's
    /// `.modinfo`; [`Pool::resolve`] finds it if the list names the module.
    fn take_soft_dependencies(&mut self) -> Result<(), Error> {
        loop {
            let mut soft_dependencies = Vec::new();
            for taken in self.taken.values() {
                for soft in taken.info.before.iter().chain(&taken.info.after) {
                    let name = canonical(soft);
                    if self.files.contains_key(&name) && !self.taken.contains_key(&name) {
                        soft_dependencies.push((
                            name,
                            format!("`{}` works better with it ({})", taken.name, taken.reason),
                        ));
                    }
                }
            }
            if soft_dependencies.is_empty() {
                return Ok(());
            }
            for (name, reason) in soft_dependencies {
                self.take(&name, &reason)?;
            }
        }
    }

    /// The taken module with this name or alias.
    fn resolve(&self, soft: &str) -> Option<&str> {
        let name = canonical(soft);
        if let Some((name, _)) = self.taken.get_key_value(&name) {
            return Some(name);
        }
        let by_alias = self
            .taken
            .iter()
            .find(|(_, taken)| taken.info.aliases.iter().any(|alias| canonical(alias) == name));
        by_alias.map(|(name, _)| name.as_str())
    }

    fn missing(&self, name: &str, because: &str) -> Error {
        Error::Absent { kernel: self.kernel.clone(), name: name.to_owned(), because: because.to_owned() }
    }
}

/// A depth-first topological sort of the taken modules.
struct Order<'p, 'a> {
    pool: &'p Pool<'a>,
    /// Soft dependencies: the modules to load before a key, by its `pre:` or by their own `post:`.
    soft_dependencies: BTreeMap<&'p str, Vec<&'p str>>,
    /// The order so far.
    done: Vec<&'p str>,
    /// The earliest occasion on which a module is needed.
    load: BTreeMap<&'p str, Load>,
}

impl<'p, 'a> Order<'p, 'a> {
    fn new(pool: &'p Pool<'a>) -> Self {
        let mut soft_dependencies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, taken) in &pool.taken {
            for other in taken.info.before.iter().filter_map(|soft| pool.resolve(soft)) {
                soft_dependencies.entry(name).or_default().push(other);
            }
            for other in taken.info.after.iter().filter_map(|soft| pool.resolve(soft)) {
                soft_dependencies.entry(other).or_default().push(name);
            }
        }
        Self { pool, soft_dependencies, done: Vec::new(), load: BTreeMap::new() }
    }

    fn of(mut self, roots: &[(String, Load)]) -> Result<Vec<Module>, Error> {
        for (name, load) in roots {
            if let Some((name, _)) = self.pool.taken.get_key_value(name) {
                self.visit(name, *load, &mut Vec::new())?;
            }
        }
        // A `softdep=post:` is reached from no root, since the edge leads the other way; it is loaded on the occasion of the
        // module that names it.
        for name in self.pool.taken.keys().map(String::as_str) {
            if !self.done.contains(&name) {
                let named_by = self.soft_dependencies.get(name).into_iter().flatten();
                let load =
                    named_by.filter_map(|other| self.load.get(other)).min().copied().unwrap_or_default();
                self.visit(name, load, &mut Vec::new())?;
            }
        }
        let modules = self.done.iter().filter_map(|name| self.module(name));
        Ok(modules.collect())
    }

    /// Appends a module behind its dependencies. `path` holds the modules that are being visited, for circles.
    fn visit(&mut self, name: &'p str, load: Load, path: &mut Vec<&'p str>) -> Result<(), Error> {
        if path.contains(&name) {
            return Err(Error::Circle { names: path.join(", ") });
        }
        // A module that was needed for Wi-Fi and then at every start is visited again, so that its dependencies are loaded
        // at every start too.
        if self.load.get(name).is_some_and(|known| *known <= load) && self.done.contains(&name) {
            return Ok(());
        }
        self.load.entry(name).and_modify(|known| *known = load.min(*known)).or_insert(load);
        path.push(name);
        // Soft dependencies first, and only those whose hard dependencies are not being visited: a circle that contains a
        // soft edge is opened there, one of hard edges alone is an error.
        for soft in self.soft_dependencies.get(name).cloned().unwrap_or_default() {
            if !path.contains(&soft) && !self.leads_back(soft, path) {
                self.visit(soft, load, path)?;
            }
        }
        for other in self.needs(name) {
            self.visit(other, load, path)?;
        }
        path.pop();
        if !self.done.contains(&name) {
            self.done.push(name);
        }
        Ok(())
    }

    /// Whether a soft dependency needs, by hard dependencies, a module that is being visited.
    fn leads_back(&self, soft: &'p str, path: &[&str]) -> bool {
        let (mut open, mut seen) = (vec![soft], BTreeSet::new());
        while let Some(name) = open.pop() {
            if path.contains(&name) {
                return true;
            }
            if seen.insert(name) {
                open.extend(self.needs(name));
            }
        }
        false
    }

    fn needs(&self, name: &str) -> Vec<&'p str> {
        let depends =
            self.pool.taken.get(name).map(|taken| taken.info.depends.as_slice()).unwrap_or_default();
        let known = depends.iter().filter_map(|other| self.pool.taken.get_key_value(&canonical(other)));
        known.map(|(name, _)| name.as_str()).collect()
    }

    fn module(&self, name: &str) -> Option<Module> {
        let taken = self.pool.taken.get(name)?;
        let depends = self.needs(name).into_iter().filter_map(|other| self.pool.taken.get(other));
        Some(Module {
            name: taken.name.clone(),
            path: taken.path.clone(),
            bytes: taken.bytes.clone(),
            depends: depends.map(|other| other.name.clone()).collect(),
            load: self.load.get(name).copied().unwrap_or_default(),
            reason: taken.reason.clone(),
        })
    }
}

/// `kernel/fs/fat/vfat.ko.xz` gives `vfat`.
fn file_stem(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    file.split_once(".ko").map(|(stem, _)| stem).filter(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::info::tests::elf;
    use super::*;
    use crate::debian::Package;
    use crate::debian::tests::{Fixture, deb};

    const BUILT_IN: &str = "kernel/lib/built-in.ko\nkernel/drivers/rng_core.ko\n";

    /// A kernel whose modules are given as `name: depends=a,b softdep=pre: c`, one a line.
    fn kernel(modules: &str) -> Package {
        let entries: BTreeMap<String, Vec<u8>> = modules
            .lines()
            .map(|line| {
                let (name, words) = line.trim().split_once(':').unwrap();
                let modinfo = words.trim().replace("; ", "\0");
                (
                    format!("usr/lib/modules/6.12/kernel/{name}.ko"),
                    elf(&format!("{modinfo}\0vermagic=6.12 SMP\0")),
                )
            })
            .collect();
        let mut files: Vec<Fixture<'_>> =
            entries.iter().map(|(path, elf)| (path.as_str(), Ok(elf.as_slice()))).collect();
        files.push(("usr/lib/modules/6.12/modules.builtin", Ok(BUILT_IN.as_bytes())));
        Package::unpack("linux", "1", &deb(&files)).unwrap()
    }

    fn wanted(name: &str, load: Load, if_absent: IfAbsent) -> WantedModule {
        let (section, reason) = (WantedModule::COMMON.to_owned(), format!("we like {name}"));
        WantedModule { name: name.to_owned(), reason, section, load, if_absent }
    }

    fn close_all(modules: &str, names: &[&str]) -> Result<ModuleSet, Error> {
        let package = kernel(modules);
        let list: Vec<_> = names.iter().map(|name| wanted(name, Load::Boot, IfAbsent::Fail)).collect();
        close(&Kernel::of(vec![&package]).unwrap(), &list)
    }

    /// The order in which these names' closure is loaded.
    fn order(modules: &str, names: &[&str]) -> String {
        let set = close_all(modules, names).unwrap();
        set.modules.iter().map(|module| module.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_needed_comes_first_and_the_lists_order_stays() {
        let modules = "ext4: depends=jbd2,crc16\n jbd2: depends=crc16\n crc16:\n a:\n unused:";
        assert_eq!(order(modules, &["ext4", "a"]), "crc16 jbd2 ext4 a");
        assert_eq!(order(modules, &["a", "crc16", "ext4"]), "a crc16 jbd2 ext4");
    }

    #[test]
    fn dash_and_underscore_are_the_same_and_files_keep_their_names() {
        let set = close_all("sdhci-iproc: depends=sdhci_pltfm\n sdhci-pltfm:", &["sdhci_iproc"]).unwrap();
        let names: Vec<_> =
            set.modules.iter().map(|m| (m.name.as_str(), m.path.as_str(), m.depends.clone())).collect();
        assert_eq!(
            names,
            [
                ("sdhci-pltfm", "kernel/sdhci-pltfm.ko", vec![]),
                ("sdhci-iproc", "kernel/sdhci-iproc.ko", vec!["sdhci-pltfm".to_owned()]),
            ]
        );
    }

    #[test]
    fn soft_dependencies_are_found_by_alias_and_come_first() {
        let modules = "ext4: softdep=pre: crypto-crc32c\n zcrc: alias=crypto-crc32c\n genet: softdep=pre: mdio-x nothing\n mdio_x:";
        assert_eq!(order(modules, &["ext4", "zcrc"]), "zcrc ext4");
        assert_eq!(order(modules, &["genet"]), "mdio_x genet");
        assert_eq!(order(modules, &["ext4"]), "ext4", "an alias is only looked for among what is wanted");
        assert_eq!(order("a: softdep=post: b\n b: depends=c\n c:", &["a"]), "a c b");
    }

    #[test]
    fn soft_circles_are_opened_and_hard_ones_refused() {
        assert_eq!(order("a: softdep=pre: b\n b: depends=a", &["a"]), "a b");
        assert_eq!(order("a: softdep=pre: b\n b: softdep=pre: a", &["a"]), "b a");
        let error = close_all("a: depends=b\n b: depends=c\n c: depends=a", &["a"]).unwrap_err();
        assert!(matches!(&error, Error::Circle { names } if names == "a, b, c"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named_with_the_reason() {
        let message = close_all("a: depends=b\n b: depends=gone", &["a"]).unwrap_err().to_string();
        for part in ["6.12", "`gone`", "`b` depends on it", "`a` depends on it", "we like a"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let message = close_all("a:", &["none"]).unwrap_err().to_string();
        assert!(message.contains("`none`") && message.contains("we like none"), "{message}");
    }

    #[test]
    fn built_in_and_optional_modules_are_told_apart() {
        let package = kernel("a: depends=built_in");
        let list = [
            wanted("rng-core", Load::Boot, IfAbsent::Fail),
            wanted("old", Load::Boot, IfAbsent::Skip),
            wanted("a", Load::Boot, IfAbsent::Skip),
        ];
        let set = close(&Kernel::of(vec![&package]).unwrap(), &list).unwrap();
        assert_eq!(
            (set.built_in, set.absent, set.modules.len()),
            (vec!["rng-core".to_owned()], vec!["old".to_owned()], 1)
        );
    }

    #[test]
    fn what_only_wifi_needs_is_loaded_for_wifi() {
        let package = kernel(
            "wifi: depends=rfkill,usb; softdep=post: extra\n rfkill:\n usb: depends=bus\n bus:\n disk: depends=usb\n extra:",
        );
        let list = [wanted("wifi", Load::Wifi, IfAbsent::Fail), wanted("disk", Load::Boot, IfAbsent::Fail)];
        let set = close(&Kernel::of(vec![&package]).unwrap(), &list).unwrap();
        let names = |load| set.loaded_at(load).map(|module| module.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names(Load::Boot), ["bus", "usb", "disk"]);
        assert_eq!(names(Load::Wifi), ["rfkill", "wifi", "extra"]);
    }

    #[test]
    fn a_module_of_another_kernel_is_refused() {
        let elf = elf("vermagic=6.11 SMP\0");
        let files = [
            ("usr/lib/modules/6.12/kernel/a.ko", Ok(elf.as_slice())),
            ("usr/lib/modules/6.12/modules.builtin", Ok(&b""[..])),
        ];
        let package = Package::unpack("linux", "1", &deb(&files)).unwrap();
        let list = [wanted("a", Load::Boot, IfAbsent::Fail)];
        let message = close(&Kernel::of(vec![&package]).unwrap(), &list).unwrap_err().to_string();
        assert!(message.contains("6.11") && message.contains("6.12"), "{message}");
    }
}
