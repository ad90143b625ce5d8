//! Holds what `docs/architecture.md` says of the layers, by reading the sources as text: imports
//! point down, files do not import each other in circles, pure modules know neither clock nor
//! runtime, close codes have names, comments have a width. What holds where is in `tables`, which
//! is meant to be edited.
//!
//! `source` splits a file into tokens and drops its tests, `paths` finds what it names, `tree`
//! follows that to the module that defines it. What a macro makes and what methods call is not
//! seen.

mod paths;
mod routes;
mod source;
mod tables;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use source::Token;
use tables::{CIRCLES, EXCEPTIONS, LEVELS, PURE};
use tree::{Tree, Use, circles};

/// Read once for all tests.
static TREE: LazyLock<Tree> =
    LazyLock::new(|| Tree::read(&sources()).expect("the sources can be read"));

/// The load tool, which is a crate of its own and has no levels.
static LOAD: LazyLock<Tree> = LazyLock::new(|| {
    let tree = Tree::read_binary(sources().join("bin/fanfare-load/main.rs"));
    tree.expect("the load tool's sources can be read")
});

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The row of [`LEVELS`] that holds for a module.
fn row(module: &str) -> Option<&'static (&'static str, u8)> {
    let fits = |(name, _): &&(&str, u8)| is_within(module, name);
    LEVELS
        .iter()
        .filter(fits)
        .max_by_key(|(name, _)| name.len())
}

fn is_within(module: &str, name: &str) -> bool {
    module
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A place in a module's file, as compilers name it.
fn place(module: &str, line: usize) -> String {
    let file = &TREE.modules[module].file;
    let file = file
        .strip_prefix(env!("CARGO_MANIFEST_DIR"))
        .unwrap_or(file);
    format!("{}:{line}", file.display())
}

#[test]
fn imports_point_down() {
    let mut upward = String::new();
    // `lib.rs` stands above all: it only declares.
    for u in TREE.uses().iter().filter(|u| !u.from.is_empty()) {
        for to in &u.through {
            let (Some((_, level)), Some((name, above))) = (row(&u.from), row(to)) else {
                continue;
            };
            if above > level {
                let place = place(&u.from, u.line);
                let _ = writeln!(
                    upward,
                    "{place}: level {level} uses {}, but {name} is level {above}",
                    u.path
                );
            }
        }
    }
    assert!(upward.is_empty(), "imports that point up:\n{upward}");
}

#[test]
fn the_table_of_levels_names_every_module_and_no_other() {
    let names = || TREE.modules.keys().filter(|name| !name.is_empty());
    let missing: Vec<&String> = names().filter(|name| row(name).is_none()).collect();
    assert!(
        missing.is_empty(),
        "no level for {missing:?}: give each a row in LEVELS (tests/layering/tables.rs) and in the \
         table of docs/architecture.md, at the lowest level that its imports allow"
    );
    let gone = LEVELS
        .iter()
        .filter(|(name, _)| !names().any(|module| is_within(module, name)));
    let gone: Vec<&str> = gone.map(|(name, _)| *name).collect();
    assert!(
        gone.is_empty(),
        "no such module: {gone:?}; take the rows out of LEVELS"
    );
}

/// What [`Tree`] does not reach is not held: a module declared inside a macro, a file that nobody
/// declares.
#[test]
fn every_file_is_reached() {
    let mut all = BTreeSet::new();
    find(&sources(), &mut all).expect("the sources can be listed");
    let reached: BTreeSet<PathBuf> = TREE.files.union(&LOAD.files).cloned().collect();
    let lost: Vec<&PathBuf> = all.difference(&reached).collect();
    assert!(lost.is_empty(), "declared by no module: {lost:?}");
}

fn find(directory: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            // What was built or installed there is not ours.
            if !path.ends_with("target") && !path.ends_with("node_modules") {
                find(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path);
        }
    }
    Ok(())
}

#[test]
fn imports_go_in_no_other_circles() {
    let uses: Vec<Use> = TREE.uses().into_iter().filter(is_edge).collect();
    let edges = uses.iter().map(|u| (u.from.clone(), u.to().to_string()));
    let found = circles(&edges.collect());
    let known: Vec<Vec<String>> = CIRCLES
        .iter()
        .map(|circle| circle.iter().map(ToString::to_string).collect())
        .collect();
    let mut report = String::new();
    for circle in found.iter().filter(|circle| !known.contains(circle)) {
        tell(&uses, circle, &mut report);
    }
    for circle in known.iter().filter(|circle| !found.contains(circle)) {
        let _ = writeln!(
            report,
            "mended or changed, take it out of CIRCLES: {circle:?}"
        );
    }
    assert!(report.is_empty(), "\n{report}");
}

/// It shares no code with the server, and is read by whoever doubts its figures.
#[test]
fn imports_of_the_load_tool_go_in_no_circles() {
    // `super` in a module inside a file reads as the root, which has nothing that anyone could
    // take.
    let is_edge = |u: &Use| is_edge(u) && !u.to().is_empty();
    let uses: Vec<Use> = LOAD.uses().into_iter().filter(is_edge).collect();
    let edges = uses.iter().map(|u| (u.from.clone(), u.to().to_string()));
    let mut report = String::new();
    for circle in circles(&edges.collect()) {
        tell(&uses, &circle, &mut report);
    }
    assert!(report.is_empty(), "\n{report}");
}

fn tell(uses: &[Use], circle: &[String], report: &mut String) {
    let _ = writeln!(report, "a new circle, {circle:?}:");
    let inside: BTreeMap<String, BTreeSet<&str>> = inside(uses, circle);
    for (way, items) in inside {
        let _ = writeln!(report, "    {way}: {items:?}");
    }
}

/// The rows of [`LEVELS`] too, as wholes: what is on one level has an order there.
#[test]
fn levels_go_in_no_circles() {
    let uses = TREE.uses().into_iter().filter(is_edge);
    let rows = uses.filter_map(|u| Some((row(&u.from)?.0, row(u.to())?.0)));
    let edges = rows.filter(|(from, to)| from != to);
    let found = circles(&edges.map(|(from, to)| (from.into(), to.into())).collect());
    assert!(found.is_empty(), "modules that need each other: {found:?}");
}

/// Not a `pub use` alone, nor a module's name: what is taken from it is found where it is taken.
fn is_edge(u: &Use) -> bool {
    u.from != u.to() && !u.is_reexport && !u.is_module
}

/// What the members of a circle take from each other.
fn inside<'u>(uses: &'u [Use], circle: &[String]) -> BTreeMap<String, BTreeSet<&'u str>> {
    let mut ways: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let is_inside = |u: &&Use| circle.contains(&u.from) && circle.iter().any(|name| name == u.to());
    for u in uses.iter().filter(is_inside) {
        let way = format!("{} -> {}", u.from, u.to());
        ways.entry(way).or_default().insert(&u.path);
    }
    ways
}

#[test]
fn pure_modules_know_neither_clock_nor_runtime() {
    let mut report = String::new();
    let mut excused = BTreeSet::new();
    for (name, module) in &TREE.modules {
        if !PURE.iter().any(|pure| is_within(name, pure)) {
            continue;
        }
        for (what, line) in impurities(&module.code) {
            let may = |row: &&(&str, &str, &str)| is_within(name, row.0) && row.1 == what;
            if let Some(row) = EXCEPTIONS.iter().find(may) {
                excused.insert(row);
            } else {
                let _ = writeln!(report, "{}: {what}", place(name, line));
            }
        }
    }
    for row in EXCEPTIONS.iter().filter(|row| !excused.contains(row)) {
        let _ = writeln!(report, "nothing needs this row of EXCEPTIONS: {row:?}");
    }
    let exists = |name: &str| TREE.modules.keys().any(|module| is_within(module, name));
    for name in PURE.iter().filter(|name| !exists(name)) {
        let _ = writeln!(
            report,
            "no such module: {name}; rename or remove it in PURE"
        );
    }
    assert!(
        report.is_empty(),
        "pure modules take the time as a parameter and know no runtime; an exception needs its \
         reason in EXCEPTIONS:\n{report}"
    );
}

/// Where code reads a clock or names a runtime.
fn impurities(code: &[Token]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let behind: String = code[at + 1..]
            .iter()
            .take(2)
            .map(|token| token.text.as_str())
            .collect();
        let what = match token.text.as_str() {
            "Instant" | "SystemTime" if behind == "::now" => format!("{}::now", token.text),
            "elapsed" if behind == "()" => "elapsed".to_string(),
            // What `unix_time` has that looks at the clock.
            "unix_now" | "unix_now_ms" | "ttl_until" | "seconds_until" => token.text.clone(),
            word if word == "tokio" || word.starts_with("actix") => word.to_string(),
            _ => continue,
        };
        found.push((what, token.line));
    }
    found
}

#[test]
fn comments_keep_to_a_hundred_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeSet::new();
    for part in ["src", "tests", "benches", "fuzz"] {
        find(&root.join(part), &mut files).expect("the sources can be listed");
    }
    let mut report = String::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source can be read");
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > 100 {
                let _ = writeln!(report, "{}:{}", file.display(), at + 1);
            }
        }
    }
    assert!(report.is_empty(), "comments beyond column 100:\n{report}");
}

#[test]
fn close_codes_have_names() {
    let outside = TREE
        .modules
        .iter()
        .filter(|(name, _)| name.as_str() != "close");
    let places: Vec<String> = outside
        .flat_map(|(name, module)| {
            let lines = numbered_closes(&module.code).into_iter();
            lines.map(move |line| place(name, line))
        })
        .collect();
    assert!(
        places.is_empty(),
        "Close::new with a number: name the code in close.rs\n{}",
        places.join("\n")
    );
}

fn numbered_closes(code: &[Token]) -> Vec<usize> {
    let is_numbered = |window: &&[Token]| {
        let [close, sign, new, open, code] = window else {
            return false;
        };
        close.is("Close") && sign.is("::") && new.is("new") && open.is("(") && code.is_number()
    };
    code.windows(5)
        .filter(is_numbered)
        .map(|window| window[0].line)
        .collect()
}

#[test]
fn clocks_runtimes_and_numbers_are_seen() {
    let code = source::tokens(
        "use tokio::time; fn f(since: Instant) { Instant::now(); std::time::SystemTime::now();
         since.elapsed(); since.elapsed; now(); actix_web::web(); \"tokio\"; close(1000);
         Close::new(
             3500, \"x\"); Close::new(code, \"y\"); }",
    );
    let read: Vec<String> = impurities(&code)
        .into_iter()
        .map(|(what, _)| what)
        .collect();
    assert_eq!(
        read,
        [
            "tokio",
            "Instant::now",
            "SystemTime::now",
            "elapsed",
            "actix_web"
        ]
    );
    assert_eq!(numbered_closes(&code), [3]);
}
