use super::*;

/// What became of each document: its tree in short, or `error LINE: …`.
fn read(text: &str) -> Vec<String> {
    Documents::new(text, 0)
        .map(|document| match document {
            Ok(document) => show(&document.root),
            Err(error) => format!("error {}: {}", error.mark.line, error.message),
        })
        .collect()
}

fn show(node: &Node<'_>) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => text.to_string(),
        Value::Scalar { text, plain: false } => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Mapping(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|entry| format!("{}:{}", entry.key, show(&entry.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

#[test]
fn documents_become_trees() {
    for (text, documents) in [
        ("", &[][..]),
        ("# nothing\n", &[]),
        ("a: 1", &["{a:1}"]),
        ("---\n---\na: 1\n...\n---\n", &["~", "{a:1}", "~"]),
        ("a: [1, '2', \"3\"]\nb:\n- c\n-\n", &["{a:[1 \"2\" \"3\"] b:[c ~]}"]),
        ("a: !!str 1\nb: ! 2", &["{a:\"1\" b:\"2\"}"]),
        ("a: |\n  x\n  y\n", &["{a:\"x\\ny\\n\"}"]),
        ("a: &x [1]\nb: *x", &["{a:[1] b:[1]}"]),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", &["{a:{b:1 c:2} d:{c:3 b:1}}"]),
        ("a: &x {b: 1}\nd: {<<: [*x, {b: 2, e: 4}]}", &["{a:{b:1} d:{b:1 e:4}}"]),
        ("a: 1\n--- \nb: [\n---\nc: 2", &["{a:1}", "error 3: unclosed bracket '['", "{c:2}"]),
        ("a: 1\na: 2", &["error 2: the key `a` is there twice"]),
        ("a: *x\n---\nb: 1", &["error 1: while parsing node, found unknown anchor", "{b:1}"]),
        ("? [a]\n: b", &["error 1: a key is a mapping or a list; keys are texts"]),
        ("a: !thing b", &["error 1: the tag means nothing here"]),
        ("a: &x [*x]", &["error 1: an alias stands inside of what it names"]),
        ("<<: 1", &["error 1: `<<` takes a mapping"]),
    ] {
        assert_eq!(read(text), documents, "{text:?}");
    }
}

#[test]
fn places_are_lines_and_columns() {
    let text = "a: 1\n---\nb:\n  - c: 2\n    d: 3\n";
    let documents: Vec<_> = Documents::new(text, 0).map(|document| document.expect("good")).collect();
    assert_eq!((documents[1].offset, documents[1].line), (5, 2));
    let path = path::At::Root;
    let path = path.field("b");
    let path = path.index(0);
    let mark = |name: &str| path.field(name).to_path().find(&documents[1].root);
    assert_eq!(mark("d"), Mark { line: 5, column: 5 });
    // What is missing is looked for where it should be.
    assert_eq!(mark("missing"), Mark { line: 4, column: 5 });
    // A part of a text has the same lines when it is read again.
    let again = Documents::new(&text[5..], 1).next().expect("there").expect("good");
    assert_eq!(path.field("d").to_path().find(&again.root), Mark { line: 5, column: 5 });
}

#[test]
fn hostile_documents_are_bounded() {
    let laughs = (1..20).fold("a0: &a0 [x, x, x, x]\n".to_owned(), |text, level| {
        let alias = format!("*a{}", level - 1);
        text + &format!("a{level}: &a{level} [{alias}, {alias}, {alias}, {alias}]\n")
    });
    for (text, message) in [
        (laughs, "aliases stand for more"),
        (format!("a: &a {}\nb: *a", "x".repeat(64 * MAX_COPIED_NODES)), "aliases stand for more"),
        ("[".repeat(1000), "nest"),
        ("- ".repeat(1000), "nest"),
        (format!("{}1", "{a: ".repeat(1000)), "nest"),
        (format!("[{}]", "1,".repeat(MAX_NODES + 1)), "the document has more than"),
        ("---\na\n".repeat(MAX_DOCUMENTS + 1), "documents in one file"),
        (
            (0..100).fold("a0: &a0 []\n".to_owned(), |text, i| {
                text + &format!("a{}: &a{} [*a{i}]\n", i + 1, i + 1)
            }),
            "nested more than",
        ),
    ] {
        let error = Documents::new(&text, 0).find_map(Result::err).expect("an error");
        let found =
            error.message.contains(message) || message == "nest" && error.message.contains("recursion");
        assert!(found, "{message}: {}", error.message);
    }
}
