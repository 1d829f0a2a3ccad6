//! As much of Rust's syntax as tells modules, items, imports and paths.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// A module, with what stands directly in it and in the bodies of its functions.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its path from the crate's root.
    pub(super) path: Vec<String>,
    /// The file that it stands in.
    pub(super) file: String,
    /// The modules below it.
    pub(super) children: BTreeSet<String>,
    /// Those of the children that stand in files of their own.
    pub(super) files: Vec<String>,
    /// The names that it defines.
    pub(super) items: BTreeSet<String>,
    /// The names that it takes from elsewhere.
    pub(super) imports: Vec<Import>,
    /// The paths that it uses.
    pub(super) paths: Vec<Vec<String>>,
}

/// A name from elsewhere.
#[derive(Debug)]
pub(super) struct Import {
    /// The name here; `*` for all names.
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

/// The module of a file, and those that stand inside of it in braces.
pub(super) fn modules(file: &str, path: Vec<String>, text: &str) -> Vec<Module> {
    let mut reader = Reader { tokens: tokens(text), at: 0, file, modules: Vec::new() };
    reader.module(path);
    reader.modules
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Sign(char),
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    file: &'a str,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads up to the brace that closes the module, or the end.
    fn module(&mut self, path: Vec<String>) {
        let mut module = Module { path, file: self.file.to_owned(), ..Module::default() };
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token {
                Token::Sign('#') if self.is(0, '[') || self.is(0, '!') => {
                    if self.attribute_is_for_tests() {
                        self.skip_item();
                    }
                }
                Token::Sign('{') => depth += 1,
                Token::Sign('}') if depth == 0 => break,
                Token::Sign('}') => depth -= 1,
                // An absolute path leads out of the crate.
                Token::Path => drop(self.path()),
                Token::Word(word) => self.word(&word, depth, &mut module),
                Token::Sign(_) => {}
            }
        }
        self.modules.push(module);
    }

    fn word(&mut self, word: &str, depth: usize, module: &mut Module) {
        match word {
            "use" => {
                let handed_on = self.is_public();
                let mut imports = Vec::new();
                self.import(&[], &mut imports);
                if !handed_on {
                    module.paths.extend(imports.iter().map(|import| import.path.clone()));
                }
                module.imports.extend(imports);
            }
            "mod" if depth == 0 => {
                let Some(Token::Word(name)) = self.next() else { return };
                module.children.insert(name.clone());
                if self.is(0, '{') {
                    self.at += 1;
                    self.module([module.path.as_slice(), &[name]].concat());
                } else {
                    module.files.push(name);
                }
            }
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" if depth == 0 => {
                // `const fn` and the like name the item with their last word.
                if let Some(Token::Word(name)) = self.tokens.get(self.at) {
                    module.items.insert(name.clone());
                }
            }
            "macro_rules" => {
                if let Some(Token::Word(name)) = self.tokens.get(self.at + 1) {
                    module.items.insert(name.clone());
                }
            }
            _ if self.tokens.get(self.at) == Some(&Token::Path) => {
                let restricts =
                    self.at >= 2 && self.tokens.get(self.at - 2) == Some(&Token::Word("in".to_owned()));
                let path = [vec![word.to_owned()], self.path()].concat();
                if path.len() > 1 && !restricts {
                    module.paths.push(path);
                }
            }
            _ => {}
        }
    }

    /// The rest of a path: `::` and words, in turn.
    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        loop {
            if self.tokens.get(self.at) == Some(&Token::Path) {
                self.at += 1;
            }
            match self.tokens.get(self.at) {
                Some(Token::Word(word))
                    if self.at > 0 && self.tokens.get(self.at - 1) == Some(&Token::Path) =>
                {
                    path.push(word.clone());
                    self.at += 1;
                }
                _ => return path,
            }
        }
    }

    /// One tree of a `use` declaration, below a path; ends behind it.
    fn import(&mut self, below: &[String], imports: &mut Vec<Import>) {
        let mut path = below.to_vec();
        if below.is_empty() && self.tokens.get(self.at) == Some(&Token::Path) {
            // An absolute path begins with a crate, whatever the module's own names are.
            path.push("::".to_owned());
        }
        while let Some(token) = self.next() {
            match token {
                Token::Path => {}
                Token::Word(word) if word == "as" => {
                    if let Some(Token::Word(name)) = self.next() {
                        imports.push(Import { name, path });
                    }
                    return;
                }
                Token::Word(word) if word == "self" && !path.is_empty() => {}
                Token::Word(word) => path.push(word),
                Token::Sign('*') => return imports.push(Import { name: "*".to_owned(), path }),
                Token::Sign('{') => {
                    while self.tokens.get(self.at).is_some_and(|token| *token != Token::Sign('}')) {
                        self.import(&path, imports);
                        if self.is(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Token::Sign(_) => {
                    // A comma or a brace belongs to the tree around, a semicolon ends the declaration.
                    self.at -= 1;
                    break;
                }
            }
        }
        if let Some(name) = path.last().cloned() {
            imports.push(Import { name, path });
        }
    }

    /// Whether the word just read has a visibility in front.
    fn is_public(&self) -> bool {
        let before = self.tokens.get(..self.at.saturating_sub(1)).unwrap_or_default();
        let before = match before {
            [rest @ .., Token::Sign(')')] => {
                let open = rest.iter().rposition(|token| *token == Token::Sign('(')).unwrap_or(0);
                rest.get(..open).unwrap_or_default()
            }
            all => all,
        };
        before.last() == Some(&Token::Word("pub".to_owned()))
    }

    /// Reads an attribute from its bracket on: whether it is `cfg(test)` or the like.
    fn attribute_is_for_tests(&mut self) -> bool {
        let (mut depth, mut words) = (0_usize, Vec::new());
        while let Some(token) = self.next() {
            match token {
                Token::Sign('[') => depth += 1,
                Token::Sign(']') if depth <= 1 => break,
                Token::Sign(']') => depth -= 1,
                Token::Word(word) => words.push(word),
                Token::Path | Token::Sign(_) => {}
            }
        }
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        words.first().is_some_and(|word| word == "cfg") && has("test") && !has("not")
    }

    /// Skips an item with the attributes that are left: up to its semicolon, or its body's last brace.
    fn skip_item(&mut self) {
        let mut depth = 0_usize;
        let mut is_use = false;
        while let Some(token) = self.next() {
            match token {
                Token::Word(word) if word == "use" && depth == 0 => is_use = true,
                Token::Sign('{' | '(' | '[') => depth += 1,
                Token::Sign('}') if depth == 0 => {
                    self.at -= 1;
                    return;
                }
                Token::Sign(sign @ ('}' | ')' | ']')) => {
                    depth = depth.saturating_sub(1);
                    if sign == '}' && depth == 0 && !is_use {
                        return;
                    }
                }
                Token::Sign(';') if depth == 0 => return,
                _ => {}
            }
        }
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead) == Some(&Token::Sign(sign))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }
}

/// Words and signs; comments, texts, numbers and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|next| *next != '\n').is_some() {},
            '/' if rest.peek() == Some(&'*') => skip_comment(&mut rest),
            '"' => skip_text(&mut rest),
            '\'' => skip_character_or_lifetime(&mut rest),
            ':' if rest.next_if_eq(&':').is_some() => tokens.push(Token::Path),
            _ if character.is_alphabetic() || character == '_' => {
                let mut word = String::from(character);
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                let raw = ["r", "br", "cr"].contains(&word.as_str());
                if raw && matches!(rest.peek(), Some('"' | '#')) {
                    skip_raw_text(&mut rest);
                } else {
                    tokens.push(Token::Word(word));
                }
            }
            _ if character.is_ascii_digit() => {
                while rest.next_if(|next| next.is_alphanumeric() || *next == '_').is_some() {}
            }
            _ if character.is_whitespace() => {}
            _ => tokens.push(Token::Sign(character)),
        }
    }
    tokens
}

/// Block comments nest.
fn skip_comment(rest: &mut Peekable<Chars<'_>>) {
    let mut depth = 0_usize;
    let mut last = '/';
    for next in rest.by_ref() {
        match (last, next) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth = depth.saturating_sub(1),
            _ => {
                last = next;
                continue;
            }
        }
        if depth == 0 {
            return;
        }
        last = ' ';
    }
}

fn skip_text(rest: &mut Peekable<Chars<'_>>) {
    while let Some(next) = rest.next() {
        match next {
            '\\' => drop(rest.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// From the signs in front of the quote on.
fn skip_raw_text(rest: &mut Peekable<Chars<'_>>) {
    let mut signs = 0;
    while rest.next_if_eq(&'#').is_some() {
        signs += 1;
    }
    // Without a quote it was a raw identifier.
    if rest.next_if_eq(&'"').is_none() {
        return;
    }
    while let Some(next) = rest.next() {
        if next == '"' && (0..signs).all(|_| rest.next_if_eq(&'#').is_some()) {
            return;
        }
    }
}

fn skip_character_or_lifetime(rest: &mut Peekable<Chars<'_>>) {
    match rest.next() {
        Some('\\') => {
            rest.next();
            while rest.next().is_some_and(|next| next != '\'') {}
        }
        Some(_) if rest.peek() == Some(&'\'') => drop(rest.next()),
        _ => while rest.next_if(|next| next.is_alphanumeric() || *next == '_').is_some() {},
    }
}
