//! Which file of a crate imports from which: read from the text of its sources, without a compiler.
//!
//! What counts is the file that defines a name, however many modules hand it on: a child that takes a sibling's name from
//! their common parent imports from the sibling. What does not count: `mod` declarations, `pub use`, what a module takes
//! from those that it lies in (a parent's types are there for its parts), and what only tests are compiled with. Names
//! that macros define are not seen.

mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use syntax::{Import, Module};

/// The most times that a name may be handed on; more is a circle of `use` declarations, which does not compile.
const HANDED_ON_LIMIT: usize = 16;

/// The imports of one crate, from file to file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleGraph {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl ModuleGraph {
    /// Reads the files of a crate, by path below its `src`. The crate's roots are `lib.rs` and `main.rs`.
    #[must_use]
    pub fn read(files: &BTreeMap<String, String>) -> Self {
        let mut graph = Self::default();
        for root in ["lib.rs", "main.rs"].into_iter().filter(|root| files.contains_key(*root)) {
            let modules = Modules::read(files, root);
            for module in modules.0.values() {
                for path in &module.paths {
                    if let Some(file) = modules.defining_file(&module.path, path, 0)
                        && !modules.lies_in(&module.path, file)
                    {
                        graph.imports.entry(module.file.clone()).or_default().insert(file.clone());
                    }
                }
            }
        }
        graph
    }

    /// The files that a file imports from.
    pub fn imports(&self, file: &str) -> impl Iterator<Item = &str> {
        self.imports.get(file).into_iter().flatten().map(String::as_str)
    }

    /// The sets of files that import from one another, each in alphabetical order: the strongly connected components
    /// with more than one file.
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|file| (file.as_str(), self.reached_from(file))).collect();
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
        let mut circles: Vec<Vec<String>> = Vec::new();
        for file in reached.keys().filter(|file| reaches(file, file)) {
            if !circles.iter().flatten().any(|known| known == file) {
                let circle = reached.keys().filter(|other| reaches(file, other) && reaches(other, file));
                circles.push(circle.map(|file| (*file).to_owned()).collect());
            }
        }
        circles
    }

    fn reached_from<'a>(&'a self, file: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut rest) = (BTreeSet::new(), vec![file]);
        while let Some(file) = rest.pop() {
            rest.extend(self.imports(file).filter(|next| reached.insert(*next)));
        }
        reached
    }
}

/// The modules below one root, by path; the root's own is empty.
struct Modules(BTreeMap<Vec<String>, Module>);

impl Modules {
    fn read(files: &BTreeMap<String, String>, root: &str) -> Self {
        let mut modules = Self(BTreeMap::new());
        let mut unread = vec![(Vec::new(), root.to_owned())];
        while let Some((path, file)) = unread.pop() {
            let Some(text) = files.get(&file) else { continue };
            for module in syntax::modules(&file, path, text) {
                for name in &module.files {
                    let below: String = module.path.iter().map(|part| format!("{part}/")).collect();
                    let places = [format!("{below}{name}.rs"), format!("{below}{name}/mod.rs")];
                    if let Some(file) = places.into_iter().find(|place| files.contains_key(place)) {
                        unread.push(([module.path.as_slice(), std::slice::from_ref(name)].concat(), file));
                    }
                }
                modules.0.insert(module.path.clone(), module);
            }
        }
        modules
    }

    /// Whether a module stands in a file, or below the module of that file.
    fn lies_in(&self, module: &[String], file: &str) -> bool {
        let above = (0..=module.len()).filter_map(|length| self.0.get(module.get(..length)?));
        above.into_iter().any(|module| module.file == *file)
    }

    /// The file that defines what `path` names in a module; none if that is outside of the crate.
    fn defining_file(&self, module: &[String], path: &[String], handed_on: usize) -> Option<&String> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&[], rest, handed_on),
            "self" => self.walk(module, rest, handed_on),
            "super" => self.walk(module.split_last()?.1, rest, handed_on),
            _ => {
                let scope = self.0.get(module)?;
                let known = scope.children.contains(first)
                    || scope.items.contains(first)
                    || scope.imports.iter().any(|import| import.name == *first);
                known.then(|| self.walk(module, path, handed_on)).flatten()
            }
        }
    }

    /// Follows a path from a module downwards, and from there wherever names were imported from.
    fn walk(&self, module: &[String], path: &[String], handed_on: usize) -> Option<&String> {
        let here = self.0.get(module)?;
        let Some((first, rest)) = path.split_first() else { return Some(&here.file) };
        if first == "super" {
            return self.walk(module.split_last()?.1, rest, handed_on);
        }
        if here.children.contains(first) {
            return self.walk(&[module, std::slice::from_ref(first)].concat(), rest, handed_on);
        }
        if here.items.contains(first) || handed_on == HANDED_ON_LIMIT {
            return Some(&here.file);
        }
        if let Some(Import { path, .. }) = here.imports.iter().find(|import| import.name == *first) {
            return self.defining_file(module, &[path, rest].concat(), handed_on + 1);
        }
        let globs = here.imports.iter().filter(|import| import.name == "*");
        globs
            .filter_map(|glob| self.defining_file(module, &[&glob.path, path].concat(), handed_on + 1))
            .next()
            .or(Some(&here.file))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::ModuleGraph;

    fn graph(files: &[(&str, &str)]) -> ModuleGraph {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        ModuleGraph::read(&files.collect::<BTreeMap<_, _>>())
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], file: &str, imports: &[&str]) {
        assert_eq!(graph(files).imports(file).collect::<Vec<_>>(), imports, "{file}");
    }

    const TREE: &[(&str, &str)] = &[
        ("lib.rs", "mod a; pub mod b; mod c;\npub use b::deep::Deep;\npub struct Root;"),
        ("a.rs", "pub struct A; pub fn a() {}"),
        ("b/mod.rs", "pub mod deep; mod other; pub(crate) use other::Other; pub const B: u8 = 1;"),
        ("b/deep.rs", "pub struct Deep;"),
        ("b/other.rs", "pub enum Other { One }"),
        ("c.rs", ""),
    ];

    fn with(c: &str) -> Vec<(&str, &str)> {
        let rest = TREE.iter().filter(|(name, _)| *name != "c.rs").copied();
        rest.chain([("c.rs", c)]).collect()
    }

    #[test]
    fn every_way_to_write_an_import_is_read() {
        for (c, imports) in [
            ("use crate::a::A;", vec!["a.rs"]),
            ("use super::a::{self, A as Name};", vec!["a.rs"]),
            ("use crate::{a::A, b::{B, deep::Deep}};", vec!["a.rs", "b/deep.rs", "b/mod.rs"]),
            ("fn f() { crate::a::a(); }", vec!["a.rs"]),
            ("fn f(x: &super::b::deep::Deep) {}", vec!["b/deep.rs"]),
            ("use crate::b; fn f() { let _ = b::Other::One; }", vec!["b/mod.rs", "b/other.rs"]),
            ("mod inner { use super::super::a::A; }", vec!["a.rs"]),
            ("use crate::{Root, a::A};", vec!["a.rs"]),
            ("use std::fmt; use serde::Serialize; fn f() { ::b::f(); fmt::x() }", vec![]),
        ] {
            check(&with(c), "c.rs", &imports);
        }
    }

    #[test]
    fn a_name_that_is_handed_on_comes_from_the_file_that_defines_it() {
        check(&with("use crate::Deep;"), "c.rs", &["b/deep.rs"]);
        check(&with("use crate::b::Other;"), "c.rs", &["b/other.rs"]);
        check(TREE, "lib.rs", &[]);
        check(TREE, "b/mod.rs", &[]);
    }

    #[test]
    fn tests_comments_and_texts_import_nothing() {
        for c in [
            "#[cfg(test)]\nmod tests { use crate::a::A; }",
            "#[cfg(test)] use crate::a::A;",
            "#[cfg(test)]\n#[track_caller]\nfn f() { crate::a::a(); }",
            "// use crate::a::A;\n/* crate::a::A /* crate::a::A */ */",
            "/// [`crate::a::A`]\nconst T: &str = \"crate::a::A\"; const R: &str = r#\"\"crate::a::A\"#;",
            "fn f<'a>(x: &'a str) { if x == \"'\" || '\\'' == '\"' {} } // crate::a::A",
        ] {
            check(&with(c), "c.rs", &[]);
        }
        check(&with("#[cfg(not(test))] use crate::a::A;"), "c.rs", &["a.rs"]);
        check(&with("#[cfg(test)] struct T { x: u8 } use crate::a::A;"), "c.rs", &["a.rs"]);
    }

    #[test]
    fn circles_are_found_whole() {
        let files = [
            ("main.rs", "mod a; mod b; mod c; mod d; use a::A; fn main() {}"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B; fn f(_: super::c::C) {}"),
            ("c.rs", "use super::a::A; pub struct C;"),
            ("d.rs", "use crate::c::C;"),
        ];
        assert_eq!(graph(&files).circles(), [["a.rs", "b.rs", "c.rs"]]);
        let parent = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod part; pub struct A; fn f() { part::f() }"),
            ("a/part.rs", "use super::A; pub fn f() {}"),
        ];
        for tree in [TREE, &parent] {
            assert_eq!(graph(tree).circles(), Vec::<Vec<String>>::new());
        }
    }
}
