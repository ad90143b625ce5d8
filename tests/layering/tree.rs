//! The modules of the crate, found from `lib.rs` and `main.rs` by their declarations, and what uses
//! what.
//!
//! A module is a file, named by its path in the crate (`broker::memory`, nothing for `lib.rs`,
//! `main`). Modules under `#[cfg(test)]` are left out. A path is followed through `use` and `pub
//! use` to the module that defines what it names; names that come by a `*` are taken for their
//! carrier's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path as FilePath, PathBuf},
};

use crate::{
    paths::{Path, Paths},
    source::{Source, Token},
};

pub(crate) struct Module {
    pub file: PathBuf,
    pub code: Vec<Token>,
    pub paths: Paths,
}

pub(crate) struct Tree {
    pub modules: BTreeMap<String, Module>,
    /// Every file that was reached, those of the tests too.
    pub files: BTreeSet<PathBuf>,
}

/// One module uses another.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub from: String,
    pub line: usize,
    /// As it is written.
    pub path: String,
    /// The modules it leads through: first the one that is written, last the one that defines.
    pub through: Vec<String>,
    /// It ends at a module, not at something in it.
    pub is_module: bool,
    /// Nothing but `pub use`: the name is not used in the file itself.
    pub is_reexport: bool,
}

impl Use {
    pub(crate) fn to(&self) -> &str {
        self.through.last().map_or("", String::as_str)
    }
}

/// `use` and `pub use` after one another that are followed for one path.
const HOPS_MAX: usize = 8;

impl Tree {
    /// Reads the crate whose sources are in `root`.
    pub(crate) fn read(root: &FilePath) -> io::Result<Self> {
        let mut tree = Self {
            modules: BTreeMap::new(),
            files: BTreeSet::new(),
        };
        tree.add(String::new(), root.join("lib.rs"), false)?;
        if root.join("main.rs").exists() {
            tree.add("main".to_string(), root.join("main.rs"), false)?;
        }
        Ok(tree)
    }

    /// Reads a binary that is a crate of its own, from its root file.
    pub(crate) fn read_binary(main: PathBuf) -> io::Result<Self> {
        let mut tree = Self {
            modules: BTreeMap::new(),
            files: BTreeSet::new(),
        };
        tree.add(String::new(), main, false)?;
        Ok(tree)
    }

    fn add(&mut self, name: String, file: PathBuf, is_test: bool) -> io::Result<()> {
        let text = fs::read_to_string(&file)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
        let source = Source::read(&text);
        self.files.insert(file.clone());
        for child in &source.declares {
            let path = file_of(&file, &child.name, child.path.as_deref());
            let is_test = is_test || child.is_test;
            self.add(join(&name, &child.name), path, is_test)?;
        }
        if !is_test {
            let paths = Paths::read(&source.code);
            let code = source.code;
            self.modules.insert(name, Module { file, code, paths });
        }
        Ok(())
    }

    /// All uses of our own modules by our own modules, in the order of the files.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (from, module) in &self.modules {
            let Paths {
                imports,
                in_place,
                words,
            } = &module.paths;
            for import in imports {
                let is_used = words.contains(&import.name);
                let is_reexport = import.is_public && !is_used;
                uses.extend(self.use_of(from, &import.path, is_reexport));
            }
            uses.extend(
                in_place
                    .iter()
                    .filter_map(|path| self.use_of(from, path, false)),
            );
        }
        uses
    }

    fn use_of(&self, from: &str, path: &Path, is_reexport: bool) -> Option<Use> {
        let (through, is_module) = self.resolve(from, &path.segments, HOPS_MAX)?;
        Some(Use {
            from: from.to_string(),
            line: path.line,
            path: path.segments.join("::"),
            through,
            is_module,
            is_reexport,
        })
    }

    /// The modules that a path leads through, and whether it ends at the last of them; nothing when
    /// it leads out of the crate.
    fn resolve(&self, from: &str, segments: &[String], hops: usize) -> Option<(Vec<String>, bool)> {
        let (first, mut rest) = segments.split_first()?;
        let mut at = match first.as_str() {
            "crate" if self.crate_of(from) == "main" => "main".to_string(),
            "crate" | "fanfare" => String::new(),
            "self" => from.to_string(),
            "super" => parent(from)?,
            name if self.modules.contains_key(&join(from, name)) => join(from, name),
            _ => return self.follow(from, segments, hops),
        };
        while let Some((segment, behind)) = rest.split_first() {
            at = match segment.as_str() {
                "super" => parent(&at)?,
                "self" => at,
                name if self.modules.contains_key(&join(&at, name)) => join(&at, name),
                // What is taken from the file itself is its own, whatever it imports by that name.
                _ if at == from => return Some((vec![at], false)),
                _ => {
                    let further = self.follow(&at, rest, hops);
                    let (further, is_module) = further.unwrap_or_default();
                    return Some(([vec![at], further].concat(), is_module));
                }
            };
            rest = behind;
        }
        Some((vec![at], true))
    }

    /// A path whose first segment a module has by a `use`.
    fn follow(
        &self,
        module: &str,
        segments: &[String],
        hops: usize,
    ) -> Option<(Vec<String>, bool)> {
        let (name, rest) = segments.split_first()?;
        let imports = &self.modules.get(module)?.paths.imports;
        let import = imports.iter().find(|import| import.name == *name)?;
        let whole = [import.path.segments.as_slice(), rest].concat();
        if hops == 0 || whole == segments {
            return None;
        }
        self.resolve(module, &whole, hops - 1)
    }

    fn crate_of(&self, module: &str) -> &'static str {
        if module == "main" { "main" } else { "" }
    }
}

/// Where `mod name;` in `file` is.
fn file_of(file: &FilePath, name: &str, path: Option<&str>) -> PathBuf {
    let directory = file.parent().unwrap_or(file);
    if let Some(path) = path {
        return directory.join(path);
    }
    let stem = file.file_stem().unwrap_or_default();
    let directory = match stem.to_str() {
        Some("lib" | "main" | "mod") => directory.to_path_buf(),
        _ => directory.join(stem),
    };
    let flat = directory.join(format!("{name}.rs"));
    if flat.exists() {
        flat
    } else {
        directory.join(name).join("mod.rs")
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_string()
    } else {
        format!("{module}::{name}")
    }
}

fn parent(module: &str) -> Option<String> {
    match module.rsplit_once("::") {
        Some((parent, _)) => Some(parent.to_string()),
        None if module.is_empty() => None,
        None => Some(String::new()),
    }
}

/// Groups that can reach each other, each sorted; a node by itself is none.
pub(crate) fn circles(edges: &BTreeSet<(String, String)>) -> Vec<Vec<String>> {
    let nodes: BTreeSet<&str> = edges.iter().map(|(from, _)| from.as_str()).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> = nodes
        .iter()
        .map(|node| (*node, reach(edges, node)))
        .collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for node in &nodes {
        let back = |other: &&str| reached.get(other).is_some_and(|from| from.contains(node));
        let circle: Vec<&str> = reached[node].iter().copied().filter(back).collect();
        if circle.len() > 1 && seen.insert(circle.clone()) {
            circles.push(circle.into_iter().map(str::to_string).collect());
        }
    }
    circles
}

fn reach<'e>(edges: &'e BTreeSet<(String, String)>, from: &str) -> BTreeSet<&'e str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for (_, to) in edges.iter().filter(|(from, _)| from == node) {
            if reached.insert(to.as_str()) {
                next.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
fn tree_of(files: &[(&str, &str)]) -> Tree {
    let module = |(name, text): &(&str, &str)| {
        let code = Source::read(text).code;
        let (file, paths) = (PathBuf::from(name), Paths::read(&code));
        (name.to_string(), Module { file, code, paths })
    };
    Tree {
        modules: files.iter().map(module).collect(),
        files: BTreeSet::new(),
    }
}

#[test]
fn paths_lead_to_the_module_that_defines() {
    let tree = tree_of(&[
        ("", ""),
        (
            "main",
            "use fanfare::a::Foo; use std::fmt; fn f() { crate::g(); }",
        ),
        (
            "a",
            "pub use self::x::Foo; pub use self::x::Used; fn f(_: Used) { x::go() }",
        ),
        ("a::x", "use super::Local; fn f() { super::super::b::f() }"),
        (
            "b",
            "use crate::a; use super::a::Foo as Bar; fn f() { a::Foo::new(); Bar::new() }",
        ),
        (
            "b::c",
            "use super::Bar; use super::Local; fn f() { Vec::new(); local.a::<u8>() }",
        ),
    ]);
    let tell = |u: &Use| {
        let module = if u.is_module { " module" } else { "" };
        let reexport = if u.is_reexport { " reexport" } else { "" };
        let through = u.through.join(",");
        format!("{} {} {through}{module}{reexport}", u.from, u.path)
    };
    let uses: Vec<String> = tree.uses().iter().map(tell).collect();
    let expected = [
        "a self::x::Foo a::x reexport",
        "a self::x::Used a::x",
        "a x::go a::x",
        "a::x super::Local a",
        "a::x super::super::b::f b",
        "b crate::a a module",
        "b super::a::Foo a,a::x",
        "b a::Foo::new a,a::x",
        "b Bar::new a,a::x",
        "b::c super::Bar b,a,a::x",
        "b::c super::Local b",
        "main fanfare::a::Foo a,a::x",
        "main crate::g main",
    ];
    assert_eq!(uses, expected);
}

#[test]
fn circles_are_what_reaches_itself() {
    let edges = [
        ("a", "b"),
        ("b", "c"),
        ("c", "b"),
        ("c", "d"),
        ("d", "d"),
        ("e", "f"),
        ("f", "e"),
    ];
    let edges = edges.map(|(from, to)| (from.to_string(), to.to_string()));
    assert_eq!(circles(&edges.into()), [["b", "c"], ["e", "f"]]);
}
