//! The paths of a file: what its `use` declarations name, and what is named in place
//! (`crate::x::f()`, `child::f()`).

use crate::source::{Token, closing};

/// A path as it is written, from its first segment on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    /// The last one is `*` for everything in it.
    pub segments: Vec<String>,
    pub line: usize,
}

/// One name that a `use` brings into the file.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    /// What it is called here.
    pub name: String,
    pub path: Path,
    /// `pub use`, whatever its reach.
    pub is_public: bool,
}

/// All paths of a file.
pub(crate) struct Paths {
    pub imports: Vec<Import>,
    pub in_place: Vec<Path>,
    /// The words of the code outside of `use` declarations that may mean what a `use` brings: not
    /// what stands behind `::` or `.`, and no variant where its enum declares it.
    pub words: Vec<String>,
}

impl Paths {
    pub(crate) fn read(code: &[Token]) -> Self {
        let mut paths = Self {
            imports: Vec::new(),
            in_place: Vec::new(),
            words: Vec::new(),
        };
        let mut at = 0;
        while at < code.len() {
            let next = code.get(at + 1);
            // `use<'a>` is a bound, no declaration.
            if code[at].is("use") && next.is_some_and(|next| !next.is("<")) {
                let is_public = is_public(&code[..at]);
                at = paths.read_tree(code, at + 1, &[], is_public);
            } else if is_place(code, at) {
                // `pub(in crate::x)`: who may see it, no import.
                at = closing(code, at);
            } else if code[at].is_word() {
                at = paths.read_in_place(code, at);
            } else {
                at += 1;
            }
        }
        paths
    }

    /// One tree of a `use`, which begins at `at` behind `prefix`; answers where it ends.
    fn read_tree(
        &mut self,
        code: &[Token],
        mut at: usize,
        prefix: &[String],
        is_public: bool,
    ) -> usize {
        let mut segments = prefix.to_vec();
        let mut name = None;
        let line = code.get(at).map_or(0, |token| token.line);
        while let Some(token) = code.get(at) {
            if token.is("{") {
                let end = closing(code, at);
                at += 1;
                while at < end {
                    at = self.read_tree(code, at, &segments, is_public) + 1;
                }
                return end + 1;
            } else if token.is("as") {
                name = code.get(at + 1).map(|name| name.text.clone());
                at += 1;
            } else if token.is("::") && segments.is_empty() {
                // From the root of all crates: not ours.
                segments.push(String::new());
            } else if token.is_word() || token.is("*") {
                segments.push(token.text.clone());
            } else if !token.is("::") {
                break;
            }
            at += 1;
        }
        let is_named = segments.len() > prefix.len();
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        if is_named {
            let name = name
                .or_else(|| segments.last().cloned())
                .unwrap_or_default();
            let path = Path { segments, line };
            self.imports.push(Import {
                name,
                path,
                is_public,
            });
        }
        at
    }

    /// A word with all that hangs on it by `::`; answers where it ends.
    fn read_in_place(&mut self, code: &[Token], mut at: usize) -> usize {
        let (first, line) = (at, code[at].line);
        let continues = at > 0 && (code[at - 1].is("::") || code[at - 1].is("."));
        let mut segments = vec![code[at].text.clone()];
        while let [sign, word, ..] = &code[at + 1..]
            && sign.is("::")
            && word.is_word()
        {
            segments.push(word.text.clone());
            at += 2;
        }
        if !continues && !is_variant(code, first) {
            self.words.push(segments[0].clone());
        }
        let is_path = segments.len() > 1 || code.get(at + 1).is_some_and(|next| next.is("::"));
        if is_path && !continues {
            self.in_place.push(Path { segments, line });
        }
        at + 1
    }
}

fn is_public(before: &[Token]) -> bool {
    match before {
        [.., last] if last.is("pub") => true,
        [.., last] if last.is(")") => {
            let open = before.iter().rposition(|token| token.is("("));
            open.is_some_and(|open| open > 0 && before[open - 1].is("pub"))
        }
        _ => false,
    }
}

/// Whether the word is the name of a variant in the declaration of its enum.
fn is_variant(code: &[Token], at: usize) -> bool {
    let begins = at > 0 && ["{", ",", "]"].iter().any(|sign| code[at - 1].is(sign));
    let mut depth = 0;
    let open = (0..at).rev().find(|&before| {
        match code[before].text.as_str() {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" => depth -= 1,
            _ => {}
        }
        depth < 0
    });
    let Some(open) = open.filter(|&open| begins && code[open].is("{")) else {
        return false;
    };
    // From the brace back to the item's beginning: `enum Name<…> {`.
    let item = code[..open]
        .iter()
        .rev()
        .take_while(|token| ![";", "{", "}", "]"].iter().any(|sign| token.is(sign)));
    item.into_iter().any(|token| token.is("enum"))
}

fn is_place(code: &[Token], at: usize) -> bool {
    matches!(&code[at..], [open, word, ..] if open.is("(") && word.is("in"))
}

#[test]
fn a_tree_of_uses_gives_each_path() {
    let code = crate::source::tokens(
        "pub(crate) use self::grant::Grant;
         use super::{self, raw::close_of, x as y};
         use crate::{a::{self, B, c::{D as E, *}}, f,};
         use ::std::fmt;",
    );
    let paths = Paths::read(&code);
    let read: Vec<String> = paths
        .imports
        .iter()
        .map(|import| format!("{}={}", import.name, import.path.segments.join("/")))
        .collect();
    let expected = [
        "Grant=self/grant/Grant",
        "super=super",
        "close_of=super/raw/close_of",
        "y=super/x",
        "a=crate/a",
        "B=crate/a/B",
        "E=crate/a/c/D",
        "*=crate/a/c/*",
        "f=crate/f",
        "fmt=/std/fmt",
    ];
    assert_eq!(read, expected);
    let public = paths.imports.iter().filter(|import| import.is_public);
    assert_eq!(public.count(), 1);
    assert_eq!(paths.imports[9].path.line, 4);
}

#[test]
fn paths_in_place_are_found_and_visibilities_are_not() {
    let code = crate::source::tokens(
        "pub(in crate::config) fn f(x: crate::hooks::Overrides) -> impl Fn() + use<'_> {
             $crate::config::table::name!(x);
             for y in super::LIST { answer::<T>::of(y.len()) }
         }",
    );
    let paths = Paths::read(&code);
    let read: Vec<String> = paths
        .in_place
        .iter()
        .map(|path| path.segments.join("/"))
        .collect();
    let expected = [
        "crate/hooks/Overrides",
        "crate/config/table/name",
        "super/LIST",
        "answer",
    ];
    assert_eq!(read, expected);
    assert!(paths.imports.is_empty());
    assert!(paths.words.iter().any(|word| word == "y"));
    assert!(
        paths
            .words
            .iter()
            .all(|word| word != "len" && word != "Overrides")
    );
}

#[test]
fn a_variant_is_no_use_of_what_an_import_calls_the_same() {
    let code = crate::source::tokens(
        "pub use self::scalars::{Number, Text};
         pub enum Input<'a> { #[doc = \"x\"] Text(&'a str), Toml { inner: Value }, Number }
         fn f() { Self::Text; x.Text; match y { Number => {} } }",
    );
    let paths = Paths::read(&code);
    let has = |name: &str| paths.words.iter().any(|word| word == name);
    assert!(!has("Text") && !has("Toml"));
    assert!(has("Number") && has("Value"));
}
