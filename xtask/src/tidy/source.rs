//! A Rust source file, read once for all checks.

use proc_macro2::{TokenStream, TokenTree};
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What the checks want to know of a file.
pub(super) struct SourceFile {
    /// Its path, relative to the workspace's folder.
    pub(super) path: String,
    /// All lines, tests too.
    pub(super) lines: usize,
    /// Lines that belong to tests: items under `#[cfg(test)]` and the like. All, in a file of tests.
    tests: Vec<RangeInclusive<usize>>,
    /// Its functions with a body, those of tests left out.
    pub(super) functions: Vec<Function>,
    /// Every path that it names (`a::b::c`) with its line, uses flattened, those of tests left out.
    pub(super) paths: Vec<(usize, Vec<String>)>,
}

/// A function's place and length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name; of a method with its type's: `Head::write`.
    pub(super) name: String,
    /// The line of its signature.
    pub(super) line: usize,
    /// Its lines from signature to closing brace, empty ones and those of only a comment left out.
    pub(super) length: usize,
}

impl SourceFile {
    /// Reads a file's text.
    pub(super) fn parse(path: &str, text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let lines = text.lines().count();
        let mut source = Self {
            path: path.to_owned(),
            lines,
            tests: Vec::new(),
            functions: Vec::new(),
            paths: Vec::new(),
        };
        if is_test_file(path) {
            source.tests.push(1..=lines);
            return Ok(source);
        }
        let mut finder = TestFinder { ranges: Vec::new() };
        finder.visit_file(&file);
        source.tests = finder.ranges;

        let code = text.lines().map(is_code).collect();
        let mut reader = Reader { source: &mut source, code, owner: Vec::new() };
        reader.visit_file(&file);
        let tokens: TokenStream = text.parse().map_err(syn::Error::from)?;
        let mut paths = Vec::new();
        paths_of_tokens(tokens, &mut paths);
        paths.retain(|(line, _)| !source.is_test(*line));
        source.paths.extend(paths);
        source.paths.sort();
        source.paths.dedup();
        Ok(source)
    }

    /// How many lines are not of tests.
    pub(super) fn lines_outside_tests(&self) -> usize {
        (1..=self.lines).filter(|&line| !self.is_test(line)).count()
    }

    fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }
}

/// `tests/…`, `foo/tests.rs`, `foo/tests/…`, benches and fuzz targets: nothing that ships.
fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz"))
}

/// Whether a line holds more than white space and a comment.
fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Finds the lines of items that are only built for tests.
struct TestFinder {
    ranges: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestFinder {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if attributes(item).iter().any(is_test_attribute) {
            self.ranges.push(item.span().start().line..=item.span().end().line);
        } else {
            visit::visit_item(self, item);
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    if path.segments.last().is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let text = list.tokens.to_string();
    let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_');
    path.is_ident("cfg") && words().any(|word| word == "test") && !words().any(|word| word == "not")
}

/// Takes functions and `use` trees out of the syntax tree.
struct Reader<'a> {
    source: &'a mut SourceFile,
    /// Whether each line holds code.
    code: Vec<bool>,
    /// The types and functions around the present place.
    owner: Vec<String>,
}

impl Reader<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let last = block.span().end().line;
        if !self.source.is_test(line) {
            let length = self.code[line - 1..last].iter().filter(|&&code| code).count();
            let mut name = self.owner.clone();
            name.push(signature.ident.to_string());
            self.source.functions.push(Function { name: name.join("::"), line, length });
        }
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.owner.push(name);
        visit(self);
        self.owner.pop();
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        self.inside(item.sig.ident.to_string(), |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        self.inside(item.sig.ident.to_string(), |reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.inside(type_name(&item.self_ty), |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.inside(item.ident.to_string(), |reader| visit::visit_item_trait(reader, item));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !self.source.is_test(item.span().start().line) {
            paths_of_use(&item.tree, &mut Vec::new(), &mut self.source.paths);
        }
    }
}

fn type_name(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default(),
        syn::Type::Reference(reference) => type_name(&reference.elem),
        _ => "_".to_owned(),
    }
}

/// Flattens `a::{b, c::d}` to `a::b` and `a::c::d`.
fn paths_of_use(tree: &syn::UseTree, before: &mut Vec<String>, paths: &mut Vec<(usize, Vec<String>)>) {
    let mut end = |ident: Option<&syn::Ident>, line: usize| {
        let mut path = before.clone();
        path.extend(ident.map(ToString::to_string));
        paths.push((line, path));
    };
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            paths_of_use(&path.tree, before, paths);
            before.pop();
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| paths_of_use(tree, before, paths)),
        syn::UseTree::Name(name) if name.ident == "self" => end(None, name.span().start().line),
        syn::UseTree::Name(name) => end(Some(&name.ident), name.span().start().line),
        syn::UseTree::Rename(rename) => end(Some(&rename.ident), rename.span().start().line),
        syn::UseTree::Glob(glob) => end(None, glob.span().start().line),
    }
}

/// Finds `a::b::c` in any token stream, the arguments of macros included.
fn paths_of_tokens(tokens: TokenStream, paths: &mut Vec<(usize, Vec<String>)>) {
    let mut path: Vec<String> = Vec::new();
    let mut line = 0;
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Ident(ident) => {
                if colons != 2 && path.len() > 1 {
                    paths.push((line, std::mem::take(&mut path)));
                }
                if colons != 2 {
                    path.clear();
                }
                line = ident.span().start().line;
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Group(group) => {
                paths_of_tokens(group.stream(), paths);
                colons = 3;
            }
            _ => colons = 3,
        }
    }
    if path.len() > 1 {
        paths.push((line, path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
use std::{fs, net::{self, TcpStream as Stream}, time::Instant};

/// A thing.
struct Thing;

impl Thing {
    /// Waits.
    fn wait(&self) -> u64 {
        // A comment does not count.

        assert!(Instant::now().elapsed().as_secs() < 5);
        1
    }
}

#[cfg(test)]
mod tests {
    fn long() {
        SystemTime::now();
    }
}
"#;

    #[test]
    fn functions_are_measured_by_their_code() {
        let source = SourceFile::parse("a/src/lib.rs", TEXT).expect("valid Rust");
        assert_eq!(source.functions, [Function { name: "Thing::wait".into(), line: 9, length: 4 }]);
        assert_eq!(source.lines_outside_tests(), 16);
    }

    #[test]
    fn paths_are_found_in_uses_and_macros_but_not_in_tests() {
        let source = SourceFile::parse("a/src/lib.rs", TEXT).expect("valid Rust");
        let paths: Vec<String> =
            source.paths.iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
        for expected in
            ["2 std::fs", "2 std::net", "2 std::net::TcpStream", "2 std::time::Instant", "12 Instant::now"]
        {
            assert!(paths.iter().any(|path| path == expected), "{expected} in {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.contains("SystemTime")), "{paths:?}");
    }

    #[test]
    fn files_of_tests_are_tests_throughout() {
        for path in ["crates/a/tests/whole.rs", "crates/a/src/head/tests.rs", "fuzz/fuzz_targets/head.rs"] {
            let source = SourceFile::parse(path, TEXT).expect("valid Rust");
            assert_eq!((source.lines_outside_tests(), source.functions.len()), (0, 0), "{path}");
        }
    }
}
