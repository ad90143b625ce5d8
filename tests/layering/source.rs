//! Rust as text, read just far enough: tokens, the modules that a file declares, and its code
//! without its tests.
//!
//! No grammar. It knows comments, strings, characters, lifetimes, brackets and attributes, and that
//! an item ends with `;` or with the brace that it opened. What a macro makes is not seen, only
//! what stands in the file.

/// A word, a number, a literal (which begins with its quote) or a sign; `::` is one sign.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    pub(crate) fn is_number(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// `mod name;`
#[derive(Debug, PartialEq)]
pub(crate) struct Declaration {
    pub name: String,
    /// From `#[path = "…"]`.
    pub path: Option<String>,
    pub is_test: bool,
}

/// One file.
pub(crate) struct Source {
    pub declares: Vec<Declaration>,
    /// What is not under `#[cfg(test)]`, and no declaration of a module.
    pub code: Vec<Token>,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut source = Self {
            declares: Vec::new(),
            code: Vec::new(),
        };
        let mut at = 0;
        while at < tokens.len() {
            let item = after_attributes(&tokens, at);
            let attributes = &tokens[at..item];
            let word = after_visibility(&tokens, item);
            if let [keyword, name, end, ..] = &tokens[word..]
                && keyword.is("mod")
                && end.is(";")
            {
                source.declares.push(Declaration {
                    name: name.text.clone(),
                    path: path_of(attributes),
                    is_test: is_test(attributes),
                });
                at = word + 3;
            } else if is_test(attributes) {
                at = end_of_item(&tokens, item);
            } else {
                let next = item.max(at + 1);
                source.code.extend_from_slice(&tokens[at..next]);
                at = next;
            }
        }
        source
    }
}

/// Splits a text into tokens; comments and white space are dropped.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = end_of_token(&chars, at);
        let piece: String = chars[at..end].iter().collect();
        let is_comment = piece.starts_with("//") || piece.starts_with("/*");
        if !is_comment && !chars[at].is_whitespace() {
            // A prefix such as `b` or `r#` says nothing about where the literal ends up.
            let text = match piece.find('"') {
                Some(quote) => piece[quote..].trim_end_matches('#').to_string(),
                None => piece.trim_start_matches("r#").to_string(),
            };
            tokens.push(Token { text, line });
        }
        line += piece.matches('\n').count();
        at = end;
    }
    tokens
}

fn end_of_token(chars: &[char], at: usize) -> usize {
    let peek = |ahead: usize| chars.get(at + ahead).copied().unwrap_or('\0');
    match (peek(0), peek(1)) {
        ('/', '/') => end_where(chars, at, |c| c != '\n'),
        ('/', '*') => end_of_comment(chars, at),
        ('"', _) => end_of_quoted(chars, at + 1, '"'),
        ('\'', second) if second == '\\' || peek(2) == '\'' => end_of_quoted(chars, at + 1, '\''),
        // A lifetime.
        ('\'', _) => end_where(chars, at + 1, is_part_of_word),
        (':', ':') => at + 2,
        (first, _) if is_part_of_word(first) => end_of_word(chars, at),
        _ => at + 1,
    }
}

/// The end of a word or number, or of what it is the prefix of: `b"…"`, `r#"…"#`, `b'…'`, `r#word`.
fn end_of_word(chars: &[char], at: usize) -> usize {
    let end = end_where(chars, at, is_part_of_word);
    let prefix: String = chars[at..end].iter().collect();
    let hashes_end = end_where(chars, end, |c| c == '#');
    let next = chars.get(hashes_end).copied().unwrap_or('\0');
    match prefix.as_str() {
        "r" | "br" | "cr" if next == '"' => {
            let hashes = hashes_end - end;
            let is_end = |at: &usize| {
                let close = chars.get(at + 1..=at + hashes);
                chars[*at] == '"' && close.is_some_and(|close| close.iter().all(|c| *c == '#'))
            };
            let quote = (hashes_end + 1..chars.len()).find(is_end);
            quote.map_or(chars.len(), |quote| quote + 1 + hashes)
        }
        "r" if hashes_end == end + 1 => end_where(chars, hashes_end, is_part_of_word),
        "b" | "c" if hashes_end == end && next == '"' => end_of_quoted(chars, end + 1, '"'),
        "b" if hashes_end == end && next == '\'' => end_of_quoted(chars, end + 1, '\''),
        _ => end,
    }
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_where(chars: &[char], at: usize, goes_on: impl Fn(char) -> bool) -> usize {
    (at..chars.len())
        .find(|at| !goes_on(chars[*at]))
        .unwrap_or(chars.len())
}

fn end_of_quoted(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Comments nest.
fn end_of_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

/// Behind all `#[…]` that begin here.
fn after_attributes(tokens: &[Token], mut at: usize) -> usize {
    while let [hash, open, ..] = &tokens[at..]
        && hash.is("#")
        && open.is("[")
    {
        at = closing(tokens, at + 1) + 1;
    }
    at.min(tokens.len())
}

/// Behind `pub` or `pub(…)`, where there is one.
fn after_visibility(tokens: &[Token], at: usize) -> usize {
    match &tokens[at..] {
        [public, open, ..] if public.is("pub") && open.is("(") => {
            (closing(tokens, at + 1) + 1).min(tokens.len())
        }
        [public, ..] if public.is("pub") => at + 1,
        _ => at,
    }
}

/// The bracket that closes the one at `at`.
pub(crate) fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// Whether one of the attributes is `#[cfg(test)]`, or `cfg(all(test, …))`.
fn is_test(attributes: &[Token]) -> bool {
    attributes.split(|token| token.is("#")).any(|attribute| {
        let has = |word: &str| attribute.iter().any(|token| token.is(word));
        has("cfg") && has("test") && !has("not") && !has("any")
    })
}

fn path_of(attributes: &[Token]) -> Option<String> {
    attributes.windows(3).find_map(|window| match window {
        [path, equals, text] if path.is("path") && equals.is("=") => {
            Some(text.text.trim_matches('"').to_string())
        }
        _ => None,
    })
}

/// Behind an item (to its `;` or closing brace), or a field, a variant or an arm (to its comma).
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    const WORDS: [&str; 15] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "let",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let word = after_visibility(tokens, at);
    let is_item = tokens
        .get(word)
        .is_some_and(|word| WORDS.contains(&word.text.as_str()));
    let mut at = at;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "(" | "[" => at = closing(tokens, at),
            "{" => return (closing(tokens, at) + 1).min(tokens.len()),
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            ")" | "]" | "}" => return at,
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

#[test]
fn comments_literals_and_lifetimes_are_no_code() {
    let text = r##"
        // use crate::a; "
        /* use crate::b; /* nested */ ' */
        fn f<'a>(x: &'a str) -> char {
            let _ = ("use \" crate::c", b"\\", r#"" use crate::d;"#); 'x' }
        const QUOTE: char = '\''; const BYTE: u8 = b'"';
        use crate::r#type;
    "##;
    let tokens = tokens(text);
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    assert!(!words.contains(&"a") && !words.contains(&"b") && !words.contains(&"d"));
    assert_eq!(words.iter().filter(|word| **word == "use").count(), 1);
    assert!(words.ends_with(&["use", "crate", "::", "type", ";"]));
    assert_eq!(tokens.last().map(|token| token.line), Some(7));
}

#[test]
fn what_is_under_cfg_test_is_left_out() {
    let source = Source::read(
        "use a::One;
         #[cfg(test)] use b::{Two, Three};
         #[cfg(test)] #[allow(dead_code)] pub(crate) fn four<A, B>(x: [u8; 4]) -> A { five() }
         #[cfg(not(test))] fn six() {}
         struct Seven { #[cfg(test)] eight: u8, nine: u8 }
         #[cfg(test)] mod ten { fn eleven() {} }
         #[cfg(test)] #[path = \"there.rs\"] mod tests;
         pub(crate) mod twelve;
         fn thirteen() {}",
    );
    let words: Vec<&str> = source
        .code
        .iter()
        .map(|token| token.text.as_str())
        .collect();
    for kept in ["One", "six", "Seven", "nine", "thirteen"] {
        assert!(words.contains(&kept), "{kept} was lost: {words:?}");
    }
    for dropped in [
        "Two", "Three", "four", "five", "eight", "ten", "eleven", "twelve",
    ] {
        assert!(!words.contains(&dropped), "{dropped} was kept: {words:?}");
    }
    let declared = |name: &str, path: Option<&str>, is_test| Declaration {
        name: name.to_string(),
        path: path.map(str::to_string),
        is_test,
    };
    assert_eq!(
        source.declares,
        [
            declared("tests", Some("there.rs"), true),
            declared("twelve", None, false)
        ]
    );
}
